use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fingerprint::{BadFingerprint, Fingerprint};
use crate::token::{BadToken, Token};

/// The longest token file that is read, in bytes.
const LONGEST: u64 = 4096;

/// Where an engine is, and what is needed to be let in.
#[derive(Debug, Clone)]
pub enum Address {
    /// On this machine, by its Unix socket.
    Socket(PathBuf),
    /// On another, over TCP with TLS.
    Remote { host: String, port: u16, fingerprint: Fingerprint, token: Token },
}

#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    #[error("{0:?} is no address of an engine: write https://host:port")]
    Url(String),
    #[error(transparent)]
    Fingerprint(#[from] BadFingerprint),
    #[error("cannot read the token file {}: {source}", path.display())]
    TokenFile { path: PathBuf, source: std::io::Error },
    #[error("others can read {}: close it with `chmod 600 {}` and have a new token made", .0.display(), .0.display())]
    OpenFile(PathBuf),
    #[error("{}: {source}", path.display())]
    Token { path: PathBuf, source: BadToken },
}

impl Address {
    /// `url` as `https://host:port`; the token is in a file that only its owner can read.
    pub fn remote(url: &str, token_file: &Path, fingerprint: &str) -> Result<Self, AddressError> {
        let (host, port) = host_and_port(url).ok_or_else(|| AddressError::Url(url.chars().take(100).collect()))?;
        let fingerprint = fingerprint.parse()?;
        Ok(Self::Remote { host, port, fingerprint, token: read_token(token_file)? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Remote { host, port, .. } if host.contains(':') => write!(f, "https://[{host}]:{port}"),
            Self::Remote { host, port, .. } => write!(f, "https://{host}:{port}"),
        }
    }
}

fn host_and_port(url: &str) -> Option<(String, u16)> {
    let rest = url.strip_prefix("https://")?;
    let (host, port) = rest.strip_suffix('/').unwrap_or(rest).rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
        None => host.to_owned(),
    };
    let fits = !host.is_empty() && host.len() <= 253 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:".contains(&b));
    Some((host, port.parse().ok().filter(|port| *port > 0)?)).filter(|_| fits)
}

fn read_token(path: &Path) -> Result<Token, AddressError> {
    use std::io::Read;
    let fault = |source| AddressError::TokenFile { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(fault)?;
    let meta = file.metadata().map_err(fault)?;
    if meta.is_file() && meta.mode() & 0o077 != 0 {
        return Err(AddressError::OpenFile(path.to_owned()));
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    file.take(LONGEST).read_to_string(&mut text).map_err(fault)?;
    text.parse().map_err(|source| AddressError::Token { path: path.to_owned(), source })
}

/// `$MEZZANINE_SOCKET`, else the run folder of this user, else one under /tmp.
pub fn default_socket() -> PathBuf {
    if let Some(path) = std::env::var_os("MEZZANINE_SOCKET") {
        return PathBuf::from(path);
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) => PathBuf::from(dir).join("mezzanine/engine.sock"),
        None => PathBuf::from(format!("/tmp/mezzanine-{}/engine.sock", rustix::process::getuid().as_raw())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_with_a_port_is_an_address() {
        let read = |text: &str| host_and_port(text);
        assert_eq!(read("https://floor.example:7443"), Some(("floor.example".to_owned(), 7443)));
        assert_eq!(read("https://[::1]:7443/"), Some(("::1".to_owned(), 7443)));
        for bad in
            ["http://a:1", "https://a", "https://:1", "https://a:0", "https://a:70000", "https://a@b:1", "https://a/b:1", "a:1"]
        {
            assert_eq!(read(bad), None, "{bad} was taken");
        }
    }
}
