//! The line to the engine: one named thread, a WebSocket, bounded channels to and fro. It connects
//! again by itself, unpacks pictures off the drawing thread, and wakes the console only when something came.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use mz_client::{Address, DialError, Stream, greet};
use mz_protocol::{Command, FramePacket, FromEngine, PersonId, Push, Response, ToEngine, WorkerId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tungstenite::{Error as WsError, Message, WebSocket};

use crate::pictures::Patch;

/// Events that may wait for the next frame; when full, the engine is made to wait, which skips pictures.
const INBOX: usize = 512;
const OUTBOX: usize = 512;
/// Waits between attempts: at once, then longer, never more than the last.
const BACKOFF: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// What the line tells the console.
#[derive(Debug)]
pub enum LinkEvent {
    /// Hello was answered.
    Up {
        engine: String,
        person: PersonId,
    },
    /// The line is down; the next attempt is at `retry`.
    Down {
        why: String,
        retry: Instant,
    },
    Push(Box<Push>),
    Answer {
        id: u64,
        response: Box<Response>,
    },
    /// A live picture, or a part of one.
    Picture(Patch),
    /// The picture that command `id` asked for.
    Still {
        id: u64,
        picture: Patch,
    },
}

/// The console's view of the engine, real or made up for a test.
pub trait Link {
    /// Queues a command. None when the queue is full or the line is down: the command is then lost.
    fn send(&mut self, command: Command) -> Option<u64>;
    /// The next event that has come, without waiting.
    fn poll(&mut self) -> Option<LinkEvent>;
    /// Try at once instead of at the next turn.
    fn retry(&mut self) {}
    /// Where the engine is looked for, for the person to read.
    fn place(&self) -> String;
}

/// Opens a stream to the engine; called again for each attempt.
pub type Dial = Box<dyn FnMut() -> Result<Stream, DialError> + Send>;
/// Called when there is something to draw.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A line over any stream.
pub struct SocketLink {
    place: String,
    next_id: u64,
    up: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    outbox: Sender<(u64, Command)>,
    inbox: Receiver<LinkEvent>,
    /// A byte here wakes the line's thread.
    bell: UnixStream,
}

impl SocketLink {
    /// Starts looking for an engine at `address`.
    pub fn start(address: Address, person: PersonId, wake: Wake) -> io::Result<Self> {
        let place = address.to_string();
        Self::over(Box::new(move || address.dial()), place, person, wake)
    }

    /// As `start`, over any stream.
    pub fn over(dial: Dial, place: String, person: PersonId, wake: Wake) -> io::Result<Self> {
        let (outbox, commands) = bounded(OUTBOX);
        let (events, inbox) = bounded(INBOX);
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        let up = Arc::new(AtomicBool::new(false));
        let over = Arc::new(AtomicBool::new(false));
        let line = Line {
            dial,
            place: place.clone(),
            person,
            wake,
            commands,
            events,
            ear,
            up: Arc::clone(&up),
            over: Arc::clone(&over),
        };
        std::thread::Builder::new().name("engine-line".to_owned()).spawn(move || line.run())?;
        Ok(Self { place, next_id: 1, up, over, outbox, inbox, bell })
    }

    fn ring(&self) {
        // A full pipe means that the thread has been woken already.
        let _ = io::Write::write(&mut &self.bell, &[1]);
    }
}

impl Link for SocketLink {
    fn send(&mut self, command: Command) -> Option<u64> {
        if !self.up.load(Ordering::Acquire) {
            return None;
        }
        let id = self.next_id;
        match self.outbox.try_send((id, command)) {
            Ok(()) => {
                self.next_id += 1;
                self.ring();
                Some(id)
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        }
    }

    fn poll(&mut self) -> Option<LinkEvent> {
        self.inbox.try_recv().ok()
    }

    fn retry(&mut self) {
        self.ring();
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}

impl Drop for SocketLink {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        self.ring();
    }
}

/// The thread's side.
struct Line {
    dial: Dial,
    place: String,
    person: PersonId,
    wake: Wake,
    commands: Receiver<(u64, Command)>,
    events: Sender<LinkEvent>,
    ear: UnixStream,
    up: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

/// Why a connection ended, in words for the person.
struct Ended(String);

impl From<WsError> for Ended {
    fn from(error: WsError) -> Self {
        Self(match error {
            WsError::ConnectionClosed
            | WsError::AlreadyClosed
            | WsError::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                "the engine closed the line".to_owned()
            }
            other => other.to_string(),
        })
    }
}

impl From<DialError> for Ended {
    fn from(error: DialError) -> Self {
        Self(match error {
            DialError::Nobody { .. } => "no engine is running there; “mezzanine up” starts one".to_owned(),
            other => other.to_string(),
        })
    }
}

impl Line {
    fn run(mut self) {
        let mut failures = 0;
        while !self.over.load(Ordering::Acquire) {
            let ended = match self.connect() {
                Ok(socket) => {
                    failures = 0;
                    self.talk(socket)
                }
                Err(ended) => ended,
            };
            self.up.store(false, Ordering::Release);
            while self.commands.try_recv().is_ok() {}
            let pause = BACKOFF[failures.min(BACKOFF.len() - 1)];
            failures += 1;
            if !self.tell(LinkEvent::Down { why: ended.0, retry: Instant::now() + pause }) {
                return;
            }
            self.listen_for_bell(pause);
        }
    }

    fn connect(&mut self) -> Result<WebSocket<Stream>, Ended> {
        let stream = (self.dial)()?;
        let client = concat!("console ", env!("CARGO_PKG_VERSION"));
        let greeted = greet(stream, &self.place, client, self.person.clone())?;
        let fail = |error: io::Error| Ended(format!("the engine's socket failed: {error}"));
        greeted.socket.get_ref().set_nonblocking(true).map_err(fail)?;
        self.up.store(true, Ordering::Release);
        self.tell(LinkEvent::Up { engine: greeted.engine, person: greeted.person });
        Ok(greeted.socket)
    }

    /// Carries messages until the line breaks.
    fn talk(&mut self, mut socket: WebSocket<Stream>) -> Ended {
        let mut stills = Stills::default();
        loop {
            if self.over.load(Ordering::Acquire) {
                let _ = socket.close(None);
                return Ended("the console is closing".to_owned());
            }
            if let Err(ended) = self.take_all(&mut socket, &mut stills) {
                return ended;
            }
            let unsent = match self.send_all(&mut socket, &mut stills) {
                Ok(unsent) => unsent,
                Err(ended) => return ended,
            };
            if let Err(error) = self.wait(socket.get_ref(), unsent) {
                return Ended(format!("waiting for the engine failed: {error}"));
            }
        }
    }

    fn take_all(&mut self, socket: &mut WebSocket<Stream>, stills: &mut Stills) -> Result<(), Ended> {
        loop {
            match socket.read() {
                Ok(Message::Text(words)) => {
                    let message =
                        serde_json::from_str(&words).map_err(|error| Ended(format!("unreadable message: {error}")))?;
                    self.take(message, stills)?;
                }
                Ok(Message::Binary(bytes)) => {
                    // A damaged picture is dropped; the next full one mends it.
                    if let Some(event) = picture(&bytes, stills)
                        && !self.tell(event)
                    {
                        return Err(Ended("the console is closing".to_owned()));
                    }
                }
                Ok(Message::Close(_)) => return Err(WsError::ConnectionClosed.into()),
                Ok(_) => {}
                Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take(&mut self, message: FromEngine, stills: &mut Stills) -> Result<(), Ended> {
        let event = match message {
            FromEngine::Push { push } => LinkEvent::Push(Box::new(push)),
            FromEngine::Response { id, response } => {
                stills.answered(id, &response);
                LinkEvent::Answer { id, response: Box::new(response) }
            }
            FromEngine::Goodbye { problem } => return Err(Ended(problem.message)),
            FromEngine::Welcome { .. } => return Ok(()),
        };
        if self.tell(event) { Ok(()) } else { Err(Ended("the console is closing".to_owned())) }
    }

    /// True when bytes are still waiting for room.
    fn send_all(&self, socket: &mut WebSocket<Stream>, stills: &mut Stills) -> Result<bool, Ended> {
        while let Ok((id, command)) = self.commands.try_recv() {
            stills.asked(id, &command);
            match socket.write(text(&ToEngine::Command { id, command })?) {
                Ok(()) => {}
                Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
        match socket.flush() {
            Ok(()) => Ok(false),
            Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn wait(&self, stream: &Stream, unsent: bool) -> io::Result<()> {
        let wanted = if unsent { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let mut both =
            [PollFd::from_borrowed_fd(stream.as_fd(), wanted), PollFd::from_borrowed_fd(self.ear.as_fd(), PollFlags::IN)];
        match poll(&mut both, Some(&Timespec { tv_sec: 5, tv_nsec: 0 })) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.empty_ear();
        Ok(())
    }

    fn listen_for_bell(&self, pause: Duration) {
        let mut ear = [PollFd::from_borrowed_fd(self.ear.as_fd(), PollFlags::IN)];
        let span = Timespec { tv_sec: pause.as_secs() as i64, tv_nsec: i64::from(pause.subsec_nanos()) };
        let _ = poll(&mut ear, Some(&span));
        self.empty_ear();
    }

    fn empty_ear(&self) {
        let mut bytes = [0; 64];
        while matches!(io::Read::read(&mut &self.ear, &mut bytes), Ok(64)) {}
    }

    /// False when the console has gone.
    fn tell(&self, mut event: LinkEvent) -> bool {
        loop {
            match self.events.send_timeout(event, Duration::from_millis(250)) {
                Ok(()) => {
                    (self.wake)();
                    return true;
                }
                Err(crossbeam_channel::SendTimeoutError::Timeout(back)) => {
                    if self.over.load(Ordering::Acquire) {
                        return false;
                    }
                    (self.wake)();
                    event = back;
                }
                Err(crossbeam_channel::SendTimeoutError::Disconnected(_)) => return false,
            }
        }
    }
}

/// Which commands ask for a picture, so that a still is not taken for a live one.
#[derive(Default)]
struct Stills {
    asked: Vec<(u64, Option<WorkerId>)>,
    due: Vec<(u64, Option<WorkerId>)>,
}

impl Stills {
    fn asked(&mut self, id: u64, command: &Command) {
        match command {
            Command::FrameAt { worker, .. } => self.asked.push((id, Some(worker.clone()))),
            Command::ApprovalFrame { .. } => self.asked.push((id, None)),
            _ => {}
        }
    }

    fn answered(&mut self, id: u64, response: &Response) {
        if let Some(place) = self.asked.iter().position(|(asked, _)| *asked == id) {
            let still = self.asked.swap_remove(place);
            if matches!(response, Response::Frame { .. }) {
                self.due.push(still);
            }
        }
    }

    fn take(&mut self, packet: &FramePacket) -> Option<u64> {
        if !packet.full {
            return None;
        }
        let fits = |(_, worker): &(u64, Option<WorkerId>)| worker.as_ref().is_none_or(|worker| *worker == packet.worker);
        let place = self.due.iter().position(fits)?;
        Some(self.due.remove(place).0)
    }
}

fn picture(bytes: &[u8], stills: &mut Stills) -> Option<LinkEvent> {
    let packet = FramePacket::decode(bytes).ok()?;
    let still = stills.take(&packet);
    let picture = Patch::unpack(&packet).ok()?;
    Some(match still {
        Some(id) => LinkEvent::Still { id, picture },
        None => LinkEvent::Picture(picture),
    })
}

fn text(message: &ToEngine) -> Result<Message, Ended> {
    let words = serde_json::to_string(message).map_err(|error| Ended(format!("a command cannot be written: {error}")))?;
    Ok(Message::text(words))
}
