//! What a client is answered with: words, problems and pictures.

use axum::extract::ws::Message;
use mz_protocol::{ErrorCode, FramePacket, FromEngine, Problem, Response, TilePatch, WorkerId};

/// A response, and the picture that follows it.
pub struct Answer {
    pub response: Response,
    pub frame: Option<Vec<u8>>,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self { response, frame: None }
    }
}

/// A whole picture as one packet.
pub fn picture(worker: &WorkerId, at_us: u64, size: mz_protocol::Size, pixels: &[u8]) -> Vec<u8> {
    let tiles = vec![TilePatch::pack(size.rect(), pixels)];
    FramePacket { worker: worker.clone(), seq: 0, captured_us: at_us, size, full: true, tiles }.encode()
}

pub fn problem(error: crate::floor::FloorError) -> Problem {
    use crate::floor::FloorError;
    let code = match error {
        FloorError::NoOrder(_) => ErrorCode::NotFound,
        FloorError::Refused(_) => ErrorCode::Refused,
        FloorError::Ledger(_) | FloorError::Broken(_) => ErrorCode::Internal,
    };
    Problem::new(code, error.to_string())
}

pub fn internal(error: impl std::fmt::Display) -> Problem {
    Problem::new(ErrorCode::Internal, error.to_string())
}

/// As a text message. Our own types always serialise; should one not, the client sees a goodbye.
pub fn to_text(message: &FromEngine) -> Message {
    let text = serde_json::to_string(message)
        .unwrap_or_else(|_| r#"{"message":"goodbye","problem":{"code":"internal","message":"unprintable answer"}}"#.to_owned());
    Message::Text(text.into())
}
