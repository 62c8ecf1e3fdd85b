//! What the host and the program inside a desktop say to each other: on a socket pair, each message a length
//! (u32, little-endian) and that many bytes of JSON.

use std::io::{self, Read, Write};

use mz_protocol::Size;
use mz_scene::RawTree;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The desktop's own X server; there is no other in its sandbox.
pub(crate) const DISPLAY_NUMBER: u8 = 1;
/// Where the program inside finds the broker's socket.
pub(crate) const PROXY_SOCKET: &str = "/run/mezzanine/proxy.sock";
/// The largest message, in bytes.
const LARGEST: usize = 4 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub id: u64,
    pub ask: Ask,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// The first one, once. Answered when the window manager is up.
    Start {
        size: Size,
        env: Vec<(String, String)>,
    },
    Launch {
        argv: Vec<String>,
    },
    Tree {
        within_ms: u64,
    },
    Windows,
    Processes,
    Log,
    Ping,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Response {
    pub id: u64,
    pub answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    Done,
    Tree { tree: RawTree },
    Processes { count: u32 },
    Log { lines: Vec<String> },
    Failed { why: String },
}

pub(crate) fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    if body.len() > LARGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {} bytes is too large", body.len())));
    }
    let mut packet = Vec::with_capacity(body.len() + 4);
    packet.extend_from_slice(&(body.len() as u32).to_le_bytes());
    packet.extend_from_slice(&body);
    to.write_all(&packet)
}

pub(crate) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LARGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes is too large")));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_bounded_both_ways() -> io::Result<()> {
        let mut wire = Vec::new();
        let sent = Request { id: 7, ask: Ask::Launch { argv: vec!["geany".into()] } };
        send(&mut wire, &sent)?;
        assert_eq!(receive::<Request>(&mut wire.as_slice())?, sent);
        for cut in 0..wire.len() {
            assert!(receive::<Request>(&mut &wire[..cut]).is_err(), "a message cut at {cut} was taken");
        }
        assert!(receive::<Request>(&mut [255u8; 8].as_slice()).is_err());
        assert!(send(&mut wire, &"x".repeat(LARGEST + 1)).is_err());
        Ok(())
    }
}
