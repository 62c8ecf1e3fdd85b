use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConnection, StreamOwned};

use crate::address::Address;
use crate::fingerprint::Fingerprint;
use crate::pinned;
use crate::token::Token;

/// Connecting and shaking hands take no longer than this.
pub(crate) const DIAL_DEADLINE: Duration = Duration::from_secs(5);
/// The engine is known by its fingerprint; a name is sent because TLS wants one.
const SERVER_NAME: &str = "mezzanine";

/// A stream to an engine, and what proves who speaks on it.
pub struct Stream {
    inner: Inner,
    pub(crate) token: Option<Token>,
}

enum Inner {
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("no engine answers on {place}: start one with `mezzanine up`")]
    Nobody { place: String },
    #[error("no engine answers on {place}: {source}")]
    Unreachable { place: String, source: io::Error },
    #[error(
        "the engine on {place} shows another certificate than {expected}: somebody is in between, or it has a new one; ask \
         who runs it before you trust another fingerprint"
    )]
    OtherCertificate { place: String, expected: Fingerprint },
    #[error("what answers on {place} does not speak TLS as an engine does: {source}")]
    Tls { place: String, source: io::Error },
    #[error("the engine on {place} does not speak the API: {why}")]
    NoApi { place: String, why: String },
    #[error(
        "the engine on {place} does not let you in: your token is wrong or was withdrawn; have a new one made with `mezzanine token new`"
    )]
    Unauthorized { place: String },
    #[error("{0}")]
    Refused(mz_protocol::Problem),
    #[error("the engine on {place} did not say welcome: {why}")]
    NoWelcome { place: String, why: String },
}

impl Address {
    pub fn dial(&self) -> Result<Stream, DialError> {
        match self {
            Self::Socket(path) => {
                let stream = UnixStream::connect(path).map_err(|_| DialError::Nobody { place: self.to_string() })?;
                Ok(Stream::from(stream))
            }
            Self::Remote { host, port, fingerprint, token } => {
                let unreachable = |source| DialError::Unreachable { place: self.to_string(), source };
                let tcp = connect(host, *port).map_err(unreachable)?;
                let tls = secure(tcp, *fingerprint).map_err(|source| match is_other_certificate(&source) {
                    true => DialError::OtherCertificate { place: self.to_string(), expected: *fingerprint },
                    false => DialError::Tls { place: self.to_string(), source },
                })?;
                Ok(Stream { inner: Inner::Tls(Box::new(tls)), token: Some(token.clone()) })
            }
        }
    }
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let deadline = Instant::now() + DIAL_DEADLINE;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn secure(mut tcp: TcpStream, fingerprint: Fingerprint) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    tcp.set_read_timeout(Some(DIAL_DEADLINE))?;
    tcp.set_write_timeout(Some(DIAL_DEADLINE))?;
    let config = pinned::config(fingerprint).map_err(io::Error::other)?;
    let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(connection, tcp))
}

fn is_other_certificate(error: &io::Error) -> bool {
    matches!(
        error.get_ref().and_then(|inner| inner.downcast_ref()),
        Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    )
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self { inner: Inner::Unix(stream), token: None }
    }
}

impl Stream {
    pub fn set_read_timeout(&self, span: Option<Duration>) -> io::Result<()> {
        match &self.inner {
            Inner::Unix(stream) => stream.set_read_timeout(span),
            Inner::Tls(stream) => stream.sock.set_read_timeout(span),
        }
    }

    pub fn set_write_timeout(&self, span: Option<Duration>) -> io::Result<()> {
        match &self.inner {
            Inner::Unix(stream) => stream.set_write_timeout(span),
            Inner::Tls(stream) => stream.sock.set_write_timeout(span),
        }
    }

    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match &self.inner {
            Inner::Unix(stream) => stream.set_nonblocking(nonblocking),
            Inner::Tls(stream) => stream.sock.set_nonblocking(nonblocking),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.inner {
            Inner::Unix(stream) => stream.as_fd(),
            Inner::Tls(stream) => stream.sock.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Unix(stream) => stream.read(buffer),
            Inner::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Unix(stream) => stream.write(bytes),
            Inner::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.inner {
            Inner::Unix(stream) => stream.flush(),
            Inner::Tls(stream) => stream.flush(),
        }
    }
}
