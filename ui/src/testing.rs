//! An engine in memory that speaks the real protocol over a socket pair: WebSocket, hello, snapshots, pictures. It
//! notes every command, so that a test can see what reached it.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mz_client::DialError;
use mz_protocol::{
    Command, EventPage, EventRecord, FramePacket, FromEngine, LeaseId, PROTOCOL_VERSION, Push, Response, SavedFile, Size,
    Snapshot, Timestamp, ToEngine, WorkerId,
};
use tungstenite::{Message, WebSocket};

use crate::connection::Dial;
use crate::sample;

/// How often the engine's thread looks for pushes while its client is silent.
const TURN: Duration = Duration::from_millis(5);

/// Which commands an answer is for.
pub type Kind = fn(&Command) -> bool;

#[derive(Default)]
struct Inside {
    snapshot: Option<Snapshot>,
    events: Vec<EventRecord>,
    commands: Vec<Command>,
    outgoing: VecDeque<Message>,
    /// Answers that a test wants instead of the usual ones.
    answers: VecDeque<(Kind, Response)>,
    refuse: bool,
    hang_up: bool,
    connections: usize,
    still: usize,
}

/// The test's handle; clones are the same engine.
#[derive(Clone, Default)]
pub struct FakeEngine {
    inside: Arc<(Mutex<Inside>, Condvar)>,
}

impl FakeEngine {
    pub fn new(snapshot: Snapshot) -> Self {
        let engine = Self::default();
        engine.lock().snapshot = Some(snapshot);
        engine
    }

    /// What a link dials: each call is a new connection, served by a thread of its own.
    pub fn dial(&self) -> Dial {
        let engine = self.clone();
        Box::new(move || {
            if engine.lock().refuse {
                return Err(DialError::Nobody { place: "there".to_owned() });
            }
            let fault = |source| DialError::Unreachable { place: "there".to_owned(), source };
            let (near, far) = UnixStream::pair().map_err(fault)?;
            let served = engine.clone();
            std::thread::Builder::new().name("fake-engine".to_owned()).spawn(move || served.serve(far)).map_err(fault)?;
            Ok(near.into())
        })
    }

    pub fn commands(&self) -> Vec<Command> {
        self.lock().commands.clone()
    }

    pub fn connections(&self) -> usize {
        self.lock().connections
    }

    /// Waits until a command like this has come. Panics past the deadline, with all that came.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Command) -> bool) -> Command {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut inside = self.lock();
        loop {
            if let Some(found) = inside.commands.iter().find(|command| wanted(command)) {
                return found.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no command {what} came, only {:?}", inside.commands);
            inside = self.inside.1.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub fn push(&self, push: Push) {
        if let Some(snapshot) = &mut self.lock().snapshot {
            snapshot.apply(push.clone());
        }
        self.say(&FromEngine::Push { push });
    }

    pub fn send_picture(&self, packet: &FramePacket) {
        self.lock().outgoing.push_back(Message::binary(packet.encode()));
    }

    /// Events that a list may ask for.
    pub fn set_events(&self, events: Vec<EventRecord>) {
        self.lock().events = events;
    }

    /// Answers the next command of this kind with `response`.
    pub fn answer_next(&self, kind: Kind, response: Response) {
        self.lock().answers.push_back((kind, response));
    }

    /// Ends all connections; with `refuse`, new ones fail too.
    pub fn hang_up(&self, refuse: bool) {
        let mut inside = self.lock();
        inside.refuse = refuse;
        inside.hang_up = true;
    }

    pub fn accept_again(&self) {
        let mut inside = self.lock();
        inside.refuse = false;
        inside.hang_up = false;
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, message: &FromEngine) {
        if let Ok(text) = serde_json::to_string(message) {
            self.lock().outgoing.push_back(Message::text(text));
        }
    }

    fn serve(&self, stream: UnixStream) {
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        if self.greet(&mut socket).is_none() || socket.get_ref().set_read_timeout(Some(TURN)).is_err() {
            return;
        }
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    if let Ok(ToEngine::Command { id, command }) = serde_json::from_str(&text) {
                        self.take(id, command);
                    }
                }
                Ok(Message::Close(_)) => return,
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
            let outgoing = std::mem::take(&mut self.lock().outgoing);
            for message in outgoing {
                if socket.send(message).is_err() {
                    return;
                }
            }
            if self.lock().hang_up {
                return;
            }
        }
    }

    fn greet(&self, socket: &mut WebSocket<UnixStream>) -> Option<()> {
        let Message::Text(text) = socket.read().ok()? else { return None };
        let ToEngine::Hello { person, .. } = serde_json::from_str(&text).ok()? else { return None };
        let welcome = FromEngine::Welcome { version: PROTOCOL_VERSION, engine: "0.1.0".to_owned(), person };
        let mut inside = self.lock();
        inside.connections += 1;
        inside.outgoing.clear();
        drop(inside);
        socket.send(Message::text(serde_json::to_string(&welcome).ok()?)).ok()
    }

    fn take(&self, id: u64, command: Command) {
        let (response, picture) = self.answer(&command);
        let follow = matches!(command, Command::Follow);
        self.lock().commands.push(command.clone());
        self.inside.1.notify_all();
        self.say(&FromEngine::Response { id, response });
        if let Some(packet) = picture {
            self.send_picture(&packet);
        }
        let snapshot = self.lock().snapshot.clone();
        if let (true, Some(snapshot)) = (follow, snapshot) {
            self.say(&FromEngine::Push { push: Push::Snapshot { snapshot: Box::new(snapshot) } });
        }
        if let Command::Watch { workers, divisor } = command {
            for (kind, worker) in workers.iter().enumerate() {
                self.send_picture(&sample::packet(worker, kind, shrunk(divisor), 1));
            }
        }
    }

    fn answer(&self, command: &Command) -> (Response, Option<FramePacket>) {
        let mut inside = self.lock();
        if let Some(place) = inside.answers.iter().position(|(kind, _)| kind(command)) {
            return (inside.answers.remove(place).map_or(Response::Done, |(_, response)| response), None);
        }
        match command {
            Command::Events { page, worker, order, limit } => {
                let fits = |e: &&EventRecord| {
                    let body = &e.event.body;
                    let is_on = match page {
                        EventPage::After(seq) => e.seq > *seq,
                        EventPage::Before(seq) => e.seq < *seq,
                        EventPage::Newest => true,
                    };
                    is_on
                        && worker.as_ref().is_none_or(|w| body.worker() == Some(w))
                        && order.as_ref().is_none_or(|o| body.order() == Some(o))
                };
                let mut events: Vec<_> = inside.events.iter().filter(fits).cloned().collect();
                if !matches!(page, EventPage::After(_)) {
                    events.reverse();
                }
                let more = events.len() > *limit as usize;
                events.truncate(*limit as usize);
                (Response::Events { events, more }, None)
            }
            Command::FrameAt { worker, at } => (Response::Frame { at: *at }, Some(still(&mut inside, worker))),
            Command::ApprovalFrame { approval } => {
                let asked = inside.snapshot.iter().flat_map(|s| &s.approvals).find(|a| a.request.id == *approval);
                match asked.map(|a| a.request.proposal.worker.clone()) {
                    Some(worker) => (Response::Frame { at: Timestamp(0) }, Some(sample::packet(&worker, 0, Size::DESKTOP, 1))),
                    None => (Response::Done, None),
                }
            }
            Command::Report { .. } => (Response::Report { report: sample::report() }, None),
            Command::Export { format, .. } => {
                let path = format!("/home/kim/reports/atelier.{}", format.extension());
                (Response::Exported { file: SavedFile { path, bytes: 48_213, took: mz_protocol::Millis(210) } }, None)
            }
            Command::TakeOver { .. } => match LeaseId::new("L-2") {
                Ok(lease) => (Response::Lease { lease, until: Timestamp(i64::MAX) }, None),
                Err(_) => (Response::Done, None),
            },
            _ => (Response::Done, None),
        }
    }
}

fn still(inside: &mut Inside, worker: &WorkerId) -> FramePacket {
    inside.still += 1;
    sample::packet(worker, inside.still, Size::DESKTOP, 1)
}

fn shrunk(divisor: u8) -> Size {
    let by = u16::from(divisor.max(1));
    Size { width: Size::DESKTOP.width / by, height: Size::DESKTOP.height / by }
}
