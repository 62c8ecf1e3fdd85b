//! The command line's side of the API: one question, one answer.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mz_protocol::{
    Command, ErrorCode, FramePacket, FromEngine, PROTOCOL_VERSION, PersonId, Push, Response, Snapshot, ToEngine,
};
use tungstenite::{Message, WebSocket};

/// The longest that a command may take; an export of a year is the slowest.
const ANSWER_DEADLINE: Duration = Duration::from_secs(120);

pub struct Client {
    socket: WebSocket<UnixStream>,
    next: u64,
}

/// The person at this terminal.
pub fn person() -> anyhow::Result<PersonId> {
    let name = std::env::var("MEZZANINE_PERSON").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "manager".to_owned());
    PersonId::new(name).context("the name in MEZZANINE_PERSON cannot be used")
}

impl Client {
    pub fn connect(socket: &Path, person: PersonId) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("no engine answers on {}: start one with `mezzanine up`", socket.display()))?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        let (socket, _) = tungstenite::client("ws://engine/v1", stream).context("the engine does not speak the API")?;
        let mut client = Self { socket, next: 1 };
        let client_name = format!("mezzanine {}", env!("CARGO_PKG_VERSION"));
        client.say(&ToEngine::Hello { version: PROTOCOL_VERSION, client: client_name, person, token: None })?;
        match client.hear(Instant::now() + ANSWER_DEADLINE)? {
            Heard::Words(FromEngine::Welcome { .. }) => Ok(client),
            Heard::Words(FromEngine::Goodbye { problem }) => bail!(problem),
            _ => bail!("the engine did not say welcome"),
        }
    }

    /// Sends a command and waits for its response; what is pushed meanwhile is dropped.
    pub fn ask(&mut self, command: Command) -> anyhow::Result<Response> {
        let id = self.next;
        self.next += 1;
        self.say(&ToEngine::Command { id, command })?;
        let deadline = Instant::now() + ANSWER_DEADLINE;
        loop {
            match self.hear(deadline)? {
                Heard::Words(FromEngine::Response { id: answered, response }) if answered == id => return Ok(response),
                Heard::Words(FromEngine::Goodbye { problem }) => bail!(problem),
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
            if let Heard::Words(FromEngine::Push { push }) = self.hear(deadline)? {
                return Ok(push);
            }
        }
    }

    pub fn next_frame(&mut self, deadline: Instant) -> anyhow::Result<FramePacket> {
        loop {
            if let Heard::Picture(packet) = self.hear(deadline)? {
                return Ok(packet);
            }
        }
    }

    fn say(&mut self, message: &ToEngine) -> anyhow::Result<()> {
        self.socket.send(Message::Text(serde_json::to_string(message)?.into())).context("the engine is gone")
    }

    fn hear(&mut self, deadline: Instant) -> anyhow::Result<Heard> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("the engine did not answer in time");
            }
            self.socket.get_ref().set_read_timeout(Some(left))?;
            match self.socket.read().context("the engine is gone")? {
                Message::Text(text) => {
                    return Ok(Heard::Words(serde_json::from_str(&text).context("the engine's answer is not understood")?));
                }
                Message::Binary(bytes) => return Ok(Heard::Picture(FramePacket::decode(&bytes)?)),
                Message::Close(_) => bail!("the engine closed the connection"),
                _ => {}
            }
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "taken apart where it is made")]
enum Heard {
    Words(FromEngine),
    Picture(FramePacket),
}
