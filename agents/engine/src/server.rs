//! The API: one WebSocket on a Unix socket. JSON messages and pictures share it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::extract::connect_info::Connected;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::response::IntoResponse;
use axum::serve::IncomingStream;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use mz_protocol::{Command, ErrorCode, FromEngine, PROTOCOL_VERSION, PersonId, Problem, Response, ToEngine};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use crate::commands::{self, Answer};
use crate::feeds::{Feeds, PICTURES};
use crate::house::House;

/// A client that says nothing for this long after connecting is sent away.
const HELLO_DEADLINE: Duration = Duration::from_secs(5);
/// The longest message that a client may send, in bytes.
const LONGEST_MESSAGE: usize = 256 * 1024;
/// Messages that wait for a slow client before it has to start over with a fresh snapshot.
const OUTBOX: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Peer {
    uid: Option<u32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let stream: &UnixStream = stream.io();
        Self { uid: stream.peer_cred().ok().map(|cred| cred.uid()) }
    }
}

/// Binds the socket; fails if another engine answers on it, and takes the place of one that is dead.
pub async fn bind(socket: &Path) -> anyhow::Result<UnixListener> {
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

/// Serves until `house` shuts down.
pub async fn serve(listener: UnixListener, house: Arc<House>) -> anyhow::Result<()> {
    let app = axum::Router::new().route("/v1", axum::routing::get(upgrade)).with_state(Arc::clone(&house));
    axum::serve(listener, app.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(async move { house.until_shutdown().await })
        .await
        .context("the API server ended")
}

async fn upgrade(
    upgrade: WebSocketUpgrade,
    ConnectInfo(peer): ConnectInfo<Peer>,
    State(house): State<Arc<House>>,
) -> impl IntoResponse {
    // Root may speak for anyone on its machine; otherwise only the engine's own user.
    let own = rustix::process::getuid().as_raw();
    if peer.uid != Some(own) && peer.uid != Some(0) {
        return axum::http::StatusCode::FORBIDDEN.into_response();
    }
    upgrade.max_message_size(LONGEST_MESSAGE).on_upgrade(move |socket| connection(socket, house)).into_response()
}

async fn connection(socket: WebSocket, house: Arc<House>) {
    let (mut sink, mut stream) = socket.split();
    let person = match hello(&mut stream).await {
        Ok(person) => person,
        Err(problem) => {
            let _ = send(&mut sink, &FromEngine::Goodbye { problem }).await;
            return;
        }
    };
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    let (picture_box, pictures) = mpsc::channel(PICTURES);
    let engine = env!("CARGO_PKG_VERSION").to_owned();
    if send(&mut sink, &FromEngine::Welcome { version: PROTOCOL_VERSION, engine, person: person.clone() }).await.is_err() {
        return;
    }
    let writer = tokio::spawn(write(sink, inbox, pictures));
    let mut feeds = Feeds::new(outbox.clone(), picture_box);
    read(&mut stream, &house, &person, &outbox, &mut feeds).await;
    drop(feeds);
    writer.abort();
}

async fn hello(stream: &mut SplitStream<WebSocket>) -> Result<PersonId, Problem> {
    let message = tokio::time::timeout(HELLO_DEADLINE, stream.next())
        .await
        .map_err(|_| Problem::new(ErrorCode::BadRequest, "no hello came"))?;
    let Some(Ok(Message::Text(text))) = message else {
        return Err(Problem::new(ErrorCode::BadRequest, "the first message must be a hello"));
    };
    match serde_json::from_str(&text) {
        Ok(ToEngine::Hello { version: PROTOCOL_VERSION, person, .. }) => Ok(person),
        Ok(ToEngine::Hello { version, .. }) => Err(Problem::new(
            ErrorCode::Version,
            format!("this engine speaks version {PROTOCOL_VERSION} and the console version {version}: update the older one"),
        )),
        _ => Err(Problem::new(ErrorCode::BadRequest, "the first message must be a hello")),
    }
}

async fn read(
    stream: &mut SplitStream<WebSocket>,
    house: &Arc<House>,
    person: &PersonId,
    outbox: &mpsc::Sender<Message>,
    feeds: &mut Feeds,
) {
    while let Some(Ok(message)) = stream.next().await {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return,
            _ => continue,
        };
        let (id, command) = match serde_json::from_str(&text) {
            Ok(ToEngine::Command { id, command }) => (id, command),
            Ok(ToEngine::Hello { .. }) | Err(_) => {
                let problem = Problem::new(ErrorCode::BadRequest, "the message is no command that this engine knows");
                if outbox.send(to_text(&FromEngine::Goodbye { problem })).await.is_err() {
                    return;
                }
                continue;
            }
        };
        match command {
            Command::Watch { workers, divisor } => {
                let response = feeds.watch(house, &workers, divisor);
                let _ = outbox.send(to_text(&FromEngine::Response { id, response })).await;
            }
            Command::Follow => {
                let response = feeds.follow(house);
                let _ = outbox.send(to_text(&FromEngine::Response { id, response })).await;
            }
            // One after the other: a person's clicks keep their order.
            Command::Drive { .. } | Command::Stop { .. } | Command::Decide { .. } => {
                answer(house, person, id, command, outbox).await;
            }
            command => {
                let (house, person, outbox) = (Arc::clone(house), person.clone(), outbox.clone());
                tokio::spawn(async move { answer(&house, &person, id, command, &outbox).await });
            }
        }
    }
}

async fn answer(house: &Arc<House>, person: &PersonId, id: u64, command: Command, outbox: &mpsc::Sender<Message>) {
    let (owner, person, progress) = (Arc::clone(house), person.clone(), outbox.clone());
    let report = move |push| {
        let _ = progress.try_send(to_text(&FromEngine::Push { push }));
    };
    let work = tokio::task::spawn_blocking(move || commands::run(&owner, &person, command, &report));
    let answer = work.await.unwrap_or_else(|_| {
        Answer::from(Response::Failed {
            problem: Problem::new(ErrorCode::Internal, "the engine could not carry out the command"),
        })
    });
    let messages = std::iter::once(to_text(&FromEngine::Response { id, response: answer.response }))
        .chain(answer.frame.map(|frame| Message::Binary(frame.into())));
    // Both at once: no live picture may come between a response and its picture.
    let Ok(places) = outbox.reserve_many(2).await else { return };
    for (place, message) in places.zip(messages) {
        place.send(message);
    }
}

/// Words go before pictures.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut inbox: mpsc::Receiver<Message>,
    mut pictures: mpsc::Receiver<Message>,
) {
    loop {
        let next = tokio::select! {
            biased;
            message = inbox.recv() => message,
            Some(picture) = pictures.recv() => Some(picture),
        };
        let Some(message) = next else { return };
        let sent = tokio::time::timeout(Duration::from_secs(20), sink.send(message)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

async fn send(sink: &mut SplitSink<WebSocket, Message>, message: &FromEngine) -> Result<(), axum::Error> {
    sink.send(to_text(message)).await
}

/// As a text message. Our own types always serialise; should one not, the client sees a goodbye.
pub fn to_text(message: &FromEngine) -> Message {
    let text = serde_json::to_string(message)
        .unwrap_or_else(|_| r#"{"message":"goodbye","problem":{"code":"internal","message":"unprintable answer"}}"#.to_owned());
    Message::Text(text.into())
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
