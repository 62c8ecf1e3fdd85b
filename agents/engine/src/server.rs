//! The API's doors: a Unix socket for this machine and, where it is switched on, TCP with TLS and tokens. Behind both is
//! the same `talk`: one WebSocket, on which JSON messages and pictures share the way.

mod identity;
mod talk;
mod tokens;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Extension;
use axum::body::Body;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONNECTION, HeaderMap, HeaderValue, ORIGIN};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use mz_client::{Fingerprint, Token};
use mz_protocol::PersonId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use crate::house::House;
pub use tokens::Tokens;

/// The longest message that a client may send, in bytes.
const LONGEST_MESSAGE: usize = 256 * 1024;
/// Bytes of a request's head.
const LONGEST_HEAD: usize = 16 * 1024;
/// For the TLS handshake, and again for the request's head.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// All until the WebSocket stands ends by then.
const REQUEST_DEADLINE: Duration = Duration::from_secs(20);
/// Connections at a time. Whoever is one too many waits in the kernel's queue, apart for each door.
const LOCAL_PLACES: usize = 256;
const REMOTE_PLACES: usize = 64;
/// Wrong tokens are answered one after the other, each after this pause. Right ones never wait.
const FAILURE_PAUSE: Duration = Duration::from_millis(250);

/// TCP with TLS.
struct RemoteDoor {
    listener: TcpListener,
    tls: TlsAcceptor,
}

/// All ways in, bound.
pub struct Doors {
    local: UnixListener,
    remote: Option<RemoteDoor>,
    /// Where the remote door is, and how its certificate is known.
    pub remote_at: Option<(SocketAddr, Fingerprint)>,
}

impl Doors {
    /// Fails if another engine answers on the socket, and takes the place of one that is dead.
    pub async fn open(socket: &Path, listen: Option<SocketAddr>, state: &Path) -> anyhow::Result<Self> {
        let local = bind(socket).await?;
        let Some(address) = listen else { return Ok(Self { local, remote: None, remote_at: None }) };
        let (tls, fingerprint) = identity::open(state)?;
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let remote_at = Some((listener.local_addr()?, fingerprint));
        Ok(Self { local, remote: Some(RemoteDoor { listener, tls: TlsAcceptor::from(tls) }), remote_at })
    }

    /// Serves until `house` shuts down.
    pub async fn serve(self, house: Arc<House>) {
        let hall = Arc::new(Hall { tokens: Tokens::at(&house.paths.root), failing: Mutex::new(()), house: Arc::clone(&house) });
        let remote = async {
            match self.remote {
                Some(door) => accept_remote(door, &hall).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = accept_local(self.local, &hall) => {}
            () = remote => {}
            () = house.until_shutdown() => {}
        }
    }
}

/// What all connections share.
struct Hall {
    house: Arc<House>,
    tokens: Tokens,
    failing: Mutex<()>,
}

/// Who is at the other end, as far as the door can tell.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Local { uid: Option<u32> },
    Remote { address: SocketAddr },
}

/// Whom the door let in, with the place that is given back when the connection ends.
#[derive(Clone)]
struct Guest {
    /// The token's hash and name; none on this machine, where the hello says the name.
    proven: Option<(blake3::Hash, PersonId)>,
    place: Arc<OwnedSemaphorePermit>,
}

async fn bind(socket: &Path) -> anyhow::Result<UnixListener> {
    if let Some(dir) = socket.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
    }
    if UnixStream::connect(socket).await.is_ok() {
        bail!(
            "an engine is already running on {}: open the console, or end that engine with `mezzanine down`",
            socket.display()
        );
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace the old socket {}", socket.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn accept_local(listener: UnixListener, hall: &Arc<Hall>) {
    let places = Arc::new(Semaphore::new(LOCAL_PLACES));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let peer = Peer::Local { uid: stream.peer_cred().ok().map(|cred| cred.uid()) };
                tokio::spawn(request(stream, peer, place, Arc::clone(hall)));
            }
            // Out of files: let some connection end first.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn accept_remote(door: RemoteDoor, hall: &Arc<Hall>) {
    let places = Arc::new(Semaphore::new(REMOTE_PLACES));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match door.listener.accept().await {
            Ok((stream, address)) => {
                let (tls, hall) = (door.tls.clone(), Arc::clone(hall));
                tokio::spawn(async move {
                    if let Err(error) = watch_line(&stream) {
                        tracing::warn!("a broken line may be noticed late: {error}");
                    }
                    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_DEADLINE, tls.accept(stream)).await {
                        request(stream, Peer::Remote { address }, place, hall).await;
                    }
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The kernel notices within a minute when the other end is gone without a word.
fn watch_line(stream: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(30))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(10))?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    sockopt::set_tcp_user_timeout(stream, 60_000)?;
    Ok(())
}

/// One request, which is to become a WebSocket.
async fn request(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    place: OwnedSemaphorePermit,
    hall: Arc<Hall>,
) {
    let place = Arc::new(place);
    let app = axum::Router::new()
        .route("/v1", axum::routing::get(upgrade))
        .layer(from_fn_with_state((Arc::clone(&hall), peer, place), admit))
        .layer(map_response(once))
        .with_state(hall);
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_DEADLINE)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
        .with_upgrades();
    let _ = tokio::time::timeout(REQUEST_DEADLINE, serving).await;
}

/// A connection that does not become a WebSocket has had its one answer.
async fn once(mut response: Response) -> Response {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

type Asking = (Arc<Hall>, Peer, Arc<OwnedSemaphorePermit>);

/// Lets nobody on who may not drive this engine, whatever they ask for.
async fn admit(State((hall, peer, place)): State<Asking>, mut request: Request<Body>, next: Next) -> Response {
    // Only web pages send it, and no web page is meant to drive an engine.
    if request.headers().contains_key(ORIGIN) {
        return (StatusCode::FORBIDDEN, "requests of web pages are not taken\n").into_response();
    }
    let proven = match peer {
        // Root may speak for anyone on its machine; otherwise only the engine's own user.
        Peer::Local { uid } if uid == Some(0) || uid == Some(rustix::process::getuid().as_raw()) => None,
        Peer::Local { .. } => return StatusCode::FORBIDDEN.into_response(),
        Peer::Remote { address } => {
            let found = bearer(request.headers()).and_then(|token| hall.tokens.find(&token));
            if found.is_none() {
                let _turn = hall.failing.lock().await;
                tokio::time::sleep(FAILURE_PAUSE).await;
                tracing::warn!("{} was not let in: no valid token", address.ip());
                return StatusCode::UNAUTHORIZED.into_response();
            }
            found
        }
    };
    request.extensions_mut().insert(Guest { proven, place });
    next.run(request).await
}

fn bearer(headers: &HeaderMap) -> Option<Token> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let text = values.next()?.to_str().ok()?;
    // Two of them are none.
    values.next().is_none().then(|| text.strip_prefix("Bearer ")?.parse().ok())?
}

async fn upgrade(
    State(hall): State<Arc<Hall>>,
    Extension(guest): Extension<Guest>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) => upgrade
            .max_message_size(LONGEST_MESSAGE)
            .max_frame_size(LONGEST_MESSAGE)
            .on_upgrade(move |socket| talk::talk(socket, hall, guest)),
        Err(rejection) => rejection.into_response(),
    }
}

/// Returns at the first SIGTERM, SIGINT or SIGHUP.
pub async fn ended_by_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int, mut hup) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        _ = hup.recv() => {}
    }
    Ok(())
}
