//! One connection, from hello to goodbye. Words go before pictures, and neither waits for the other without bound.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use mz_protocol::{Command, ErrorCode, FromEngine, PROTOCOL_VERSION, PersonId, Problem, Response, ToEngine};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::{Guest, Hall, LONGEST_MESSAGE};
use crate::answer::{Answer, to_text};
use crate::commands;
use crate::feeds::{Feeds, PICTURES};
use crate::house::House;

/// A client that says nothing for this long after connecting is sent away.
const HELLO_DEADLINE: Duration = Duration::from_secs(5);
/// Messages that wait for a slow client. Behind them the floor keeps its changes, and then a fresh snapshot.
const OUTBOX: usize = 64;
/// Commands of one client that are carried out at a time.
const MOST_COMMANDS: usize = 64;
/// The same for stops, which are never kept waiting by other commands.
const MOST_STOPS: usize = 8;
/// Inputs of a person who drives that wait for those before them.
const MOST_INPUTS: usize = 256;
/// A client that takes no message for this long is let go.
const SLOWEST: Duration = Duration::from_secs(20);
const FAREWELL: Duration = Duration::from_secs(2);
/// How soon a withdrawn token ends the connections that came with it.
const TOKEN_LOOK: Duration = Duration::from_secs(2);

pub(super) async fn talk(socket: WebSocket, hall: Arc<Hall>, guest: Guest) {
    let (mut sink, mut stream) = socket.split();
    let person = match hello(&mut stream, &hall, &guest).await {
        Ok(person) => person,
        Err(problem) => {
            let goodbye = async {
                sink.send(to_text(&FromEngine::Goodbye { problem })).await?;
                sink.send(Message::Close(None)).await
            };
            let _ = tokio::time::timeout(FAREWELL, goodbye).await;
            return;
        }
    };
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    let (picture_box, pictures) = mpsc::channel(PICTURES);
    let welcome =
        FromEngine::Welcome { version: PROTOCOL_VERSION, engine: env!("CARGO_PKG_VERSION").to_owned(), person: person.clone() };
    // The box is empty: there is room.
    let _ = outbox.try_send(to_text(&welcome));
    let mut writer = tokio::spawn(write(sink, inbox, pictures));
    let house = Arc::clone(&hall.house);
    let (inputs, waiting) = mpsc::channel(MOST_INPUTS);
    let driving = tokio::spawn(drive(Arc::clone(&house), person.clone(), waiting, outbox.clone()));
    let mut client = Client {
        feeds: Feeds::new(house.clone(), outbox.clone(), picture_box),
        house,
        person,
        outbox,
        inputs,
        commands: Arc::new(Semaphore::new(MOST_COMMANDS)),
        stops: Arc::new(Semaphore::new(MOST_STOPS)),
    };
    let end = tokio::select! {
        end = client.listen(&mut stream) => end,
        () = withdrawn(&hall, &guest) => Some(Problem::new(ErrorCode::Unauthorized, "your token was withdrawn")),
        _ = &mut writer => None,
    };
    if let Some(problem) = end {
        farewell(&client.outbox, &mut writer, problem).await;
    }
    driving.abort();
    writer.abort();
    drop(guest.place);
}

/// The last words, behind all that waits already.
async fn farewell(outbox: &mpsc::Sender<Message>, writer: &mut JoinHandle<()>, problem: Problem) {
    let goodbye = async {
        let _ = outbox.send(to_text(&FromEngine::Goodbye { problem })).await;
        let _ = outbox.send(Message::Close(None)).await;
        let _ = writer.await;
    };
    let _ = tokio::time::timeout(FAREWELL, goodbye).await;
}

async fn withdrawn(hall: &Hall, guest: &Guest) {
    let Some((hash, _)) = &guest.proven else { return std::future::pending().await };
    loop {
        tokio::time::sleep(TOKEN_LOOK).await;
        if !hall.tokens.is_valid(*hash) {
            return;
        }
    }
}

async fn hello(stream: &mut SplitStream<WebSocket>, hall: &Hall, guest: &Guest) -> Result<PersonId, Problem> {
    let bad = |why: &str| Problem::new(ErrorCode::BadRequest, why);
    let message =
        tokio::time::timeout(HELLO_DEADLINE, stream.next()).await.map_err(|_| bad("no hello came within 5 seconds"))?;
    let text = match message {
        Some(Ok(Message::Text(text))) => text,
        Some(Err(error)) => return Err(unreadable(&error)),
        _ => return Err(bad("the first message must be a hello")),
    };
    // The version is looked at alone first: the rest of another version's hello may look different.
    let version = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .filter(|value| value["message"] == "hello")
        .and_then(|value| value["version"].as_u64());
    match version {
        Some(version) if version != u64::from(PROTOCOL_VERSION) => {
            return Err(Problem::new(
                ErrorCode::Version,
                format!(
                    "this engine speaks version {PROTOCOL_VERSION} and the console version {version}: update the older one"
                ),
            ));
        }
        _ => {}
    }
    let Ok(ToEngine::Hello { person, .. }) = serde_json::from_str(&text) else {
        return Err(bad("the first message must be a hello"));
    };
    match &guest.proven {
        Some((_, proven)) => Ok(proven.clone()),
        None if hall.tokens.is_taken(&person) => Err(Problem::new(
            ErrorCode::Unauthorized,
            format!("{person} comes in with a token: on this machine use another name, in MEZZANINE_PERSON"),
        )),
        None => Ok(person),
    }
}

fn unreadable(error: &axum::Error) -> Problem {
    let words = format!("the message cannot be read ({error}); it may have {} KiB at most", LONGEST_MESSAGE / 1024);
    Problem::new(ErrorCode::BadRequest, words)
}

struct Client {
    house: Arc<House>,
    person: PersonId,
    outbox: mpsc::Sender<Message>,
    feeds: Feeds,
    /// What the person who drives does, in its order.
    inputs: mpsc::Sender<(u64, Command)>,
    commands: Arc<Semaphore>,
    stops: Arc<Semaphore>,
}

impl Client {
    /// Takes commands until the client goes, or says what cannot be understood.
    async fn listen(&mut self, stream: &mut SplitStream<WebSocket>) -> Option<Problem> {
        loop {
            let text = match stream.next().await? {
                Ok(Message::Text(text)) => text,
                Ok(Message::Close(_)) => return None,
                Ok(Message::Ping(_) | Message::Pong(_)) => continue,
                Ok(Message::Binary(_)) => return Some(Problem::new(ErrorCode::BadRequest, "commands are text, not binary")),
                Err(error) => return Some(unreadable(&error)),
            };
            let Ok(ToEngine::Command { id, command }) = serde_json::from_str(&text) else {
                return Some(Problem::new(ErrorCode::BadRequest, "the message is no command that this engine knows"));
            };
            self.take(id, command).await;
        }
    }

    async fn take(&mut self, id: u64, command: Command) {
        match command {
            Command::Watch { workers, divisor } => {
                let response = self.feeds.watch(&workers, divisor);
                self.respond(id, response).await;
            }
            Command::Follow => {
                if let Err(problem) = self.feeds.follow(id) {
                    self.respond(id, Response::Failed { problem }).await;
                }
            }
            // A person's clicks keep their order, and nothing else waits for them.
            Command::Drive { .. } | Command::HandBack { .. } => {
                if self.inputs.try_send((id, command)).is_err() {
                    self.respond(id, refused("the desktop does not keep up with your input: wait a moment")).await;
                }
            }
            Command::Stop { .. } => self.carry_out(id, command, Arc::clone(&self.stops)).await,
            command => self.carry_out(id, command, Arc::clone(&self.commands)).await,
        }
    }

    async fn carry_out(&self, id: u64, command: Command, turns: Arc<Semaphore>) {
        let Ok(turn) = turns.try_acquire_owned() else {
            let problem = refused("too many of your commands are being carried out: wait for an answer");
            return self.respond(id, problem).await;
        };
        let (house, person, outbox) = (Arc::clone(&self.house), self.person.clone(), self.outbox.clone());
        tokio::spawn(async move {
            answer(&house, &person, id, command, &outbox).await;
            drop(turn);
        });
    }

    async fn respond(&self, id: u64, response: Response) {
        // Fails only when the writer has ended, and the connection with it.
        let _ = self.outbox.send(to_text(&FromEngine::Response { id, response })).await;
    }
}

fn refused(words: &str) -> Response {
    Response::Failed { problem: Problem::new(ErrorCode::Refused, words) }
}

/// Puts a person's input in, one after the other.
async fn drive(house: Arc<House>, person: PersonId, mut inputs: mpsc::Receiver<(u64, Command)>, outbox: mpsc::Sender<Message>) {
    while let Some((id, command)) = inputs.recv().await {
        answer(&house, &person, id, command, &outbox).await;
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

/// Ends after a close, with the channel, or when the client is too slow.
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
        let last = matches!(message, Message::Close(_));
        let sent = tokio::time::timeout(SLOWEST, sink.send(message)).await;
        if last || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}
