//! The command line's side of the API: one question, one answer.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mz_client::{Address, Stream};
use mz_protocol::{Command, ErrorCode, FramePacket, FromEngine, PersonId, Push, Response, Snapshot, ToEngine};
use tungstenite::{Message, WebSocket};

/// The longest that a command may take; an export of a year is the slowest.
const ANSWER_DEADLINE: Duration = Duration::from_secs(120);
/// Pushes that may wait while an answer is waited for. None of them may be lost, so more are an error.
const MOST_PUSHES: usize = 65_536;
/// Pictures that may wait; the newest win.
const MOST_PICTURES: usize = 64;

pub struct Client {
    socket: WebSocket<Stream>,
    next: u64,
    person: PersonId,
    /// What came while something else was waited for.
    pushes: VecDeque<Push>,
    pictures: VecDeque<FramePacket>,
}

/// The person at this terminal.
pub fn person() -> anyhow::Result<PersonId> {
    let name = std::env::var("MEZZANINE_PERSON").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "manager".to_owned());
    PersonId::new(name).context("the name in MEZZANINE_PERSON cannot be used")
}

impl Client {
    /// To an engine on this machine.
    pub fn connect(socket: &Path, person: PersonId) -> anyhow::Result<Self> {
        Self::reach(&Address::Socket(socket.to_owned()), person)
    }

    pub fn reach(address: &Address, person: PersonId) -> anyhow::Result<Self> {
        let greeted = address.reach(concat!("mezzanine ", env!("CARGO_PKG_VERSION")), person)?;
        Ok(Self { socket: greeted.socket, next: 1, person: greeted.person, pushes: VecDeque::new(), pictures: VecDeque::new() })
    }

    /// Whom the engine takes this client for.
    pub fn person(&self) -> &PersonId {
        &self.person
    }

    /// Sends a command and waits for its response. What is pushed meanwhile is kept, in its order.
    pub fn ask(&mut self, command: Command) -> anyhow::Result<Response> {
        let id = self.next;
        self.next += 1;
        self.say(&ToEngine::Command { id, command })?;
        let deadline = Instant::now() + ANSWER_DEADLINE;
        loop {
            match self.hear(deadline)? {
                FromEngine::Response { id: answered, response } if answered == id => return Ok(response),
                FromEngine::Push { push } => self.keep(push)?,
                _ => {}
            }
        }
    }

    /// As `ask`, with a failed response as an error.
    pub fn command(&mut self, command: Command) -> anyhow::Result<Response> {
        match self.ask(command)? {
            Response::Failed { problem } if problem.code == ErrorCode::Stale => bail!("nothing was done: {problem}"),
            Response::Failed { problem } => bail!(problem),
            response => Ok(response),
        }
    }

    pub fn status(&mut self) -> anyhow::Result<Snapshot> {
        match self.command(Command::Status)? {
            Response::State { snapshot } => Ok(*snapshot),
            other => bail!("the engine answered {other:?} instead of its state"),
        }
    }

    /// The next thing that the engine pushes.
    pub fn next_push(&mut self, deadline: Instant) -> anyhow::Result<Push> {
        loop {
            if let Some(push) = self.pushes.pop_front() {
                return Ok(push);
            }
            if let FromEngine::Push { push } = self.hear(deadline)? {
                self.keep(push)?;
            }
        }
    }

    pub fn next_frame(&mut self, deadline: Instant) -> anyhow::Result<FramePacket> {
        loop {
            if let Some(picture) = self.pictures.pop_front() {
                return Ok(picture);
            }
            match self.hear_any(deadline)? {
                Some(FromEngine::Push { push }) => self.keep(push)?,
                Some(FromEngine::Goodbye { problem }) => bail!(problem),
                _ => {}
            }
        }
    }

    fn keep(&mut self, push: Push) -> anyhow::Result<()> {
        if self.pushes.len() >= MOST_PUSHES {
            bail!("the engine pushed {MOST_PUSHES} changes that nobody has read: connect anew");
        }
        self.pushes.push_back(push);
        Ok(())
    }

    fn say(&mut self, message: &ToEngine) -> anyhow::Result<()> {
        self.socket.send(Message::Text(serde_json::to_string(message)?.into())).context("the engine is gone")
    }

    /// The next words; pictures on the way are kept.
    fn hear(&mut self, deadline: Instant) -> anyhow::Result<FromEngine> {
        loop {
            match self.hear_any(deadline)? {
                Some(FromEngine::Goodbye { problem }) => bail!(problem),
                Some(words) => return Ok(words),
                None => {}
            }
        }
    }

    /// One message: words, or none where it was a picture.
    fn hear_any(&mut self, deadline: Instant) -> anyhow::Result<Option<FromEngine>> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("the engine did not answer in time");
            }
            self.socket.get_ref().set_read_timeout(Some(left))?;
            match self.socket.read().context("the engine is gone")? {
                Message::Text(text) => {
                    return Ok(Some(serde_json::from_str(&text).context("the engine's answer is not understood")?));
                }
                Message::Binary(bytes) => {
                    if self.pictures.len() >= MOST_PICTURES {
                        self.pictures.pop_front();
                    }
                    self.pictures.push_back(FramePacket::decode(&bytes)?);
                    return Ok(None);
                }
                Message::Close(_) => bail!("the engine closed the connection"),
                _ => {}
            }
        }
    }
}
