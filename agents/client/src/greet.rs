use mz_protocol::{FromEngine, PROTOCOL_VERSION, PersonId, ToEngine};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::header::{AUTHORIZATION, HeaderValue};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use crate::address::Address;
use crate::stream::{DIAL_DEADLINE, DialError, Stream};

/// The longest message that an engine sends, in bytes.
const LONGEST_MESSAGE: usize = 64 << 20;

/// An engine that has said welcome.
pub struct Greeted {
    pub socket: WebSocket<Stream>,
    pub engine: String,
    /// Whom the engine takes you for.
    pub person: PersonId,
}

/// Says hello. `client` is the program's name and version; `place` is for words only.
pub fn greet(stream: Stream, place: &str, client: &str, person: PersonId) -> Result<Greeted, DialError> {
    let place = || place.to_owned();
    let no_welcome = |why: String| DialError::NoWelcome { place: place(), why };
    let fault = |error: std::io::Error| no_welcome(error.to_string());
    stream.set_read_timeout(Some(DIAL_DEADLINE)).map_err(fault)?;
    stream.set_write_timeout(Some(DIAL_DEADLINE)).map_err(fault)?;
    let no_api = |error: Error| match error {
        Error::Http(answer) if answer.status() == 401 => DialError::Unauthorized { place: place() },
        Error::Http(answer) => DialError::NoApi { place: place(), why: format!("it answered with {}", answer.status()) },
        error => DialError::NoApi { place: place(), why: error.to_string() },
    };
    let mut request = "ws://mezzanine/v1".into_client_request().map_err(no_api)?;
    if let Some(token) = &stream.token {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|e| no_welcome(e.to_string()))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
    }
    let config = WebSocketConfig::default().max_message_size(Some(LONGEST_MESSAGE)).max_frame_size(Some(LONGEST_MESSAGE));
    let (mut socket, _) =
        tungstenite::client::client_with_config(request, stream, Some(config)).map_err(|error| match error {
            HandshakeError::Failure(error) => no_api(error),
            HandshakeError::Interrupted(_) => no_welcome("it took too long".to_owned()),
        })?;
    let hello = ToEngine::Hello { version: PROTOCOL_VERSION, client: client.to_owned(), person };
    let text = serde_json::to_string(&hello).map_err(|error| no_welcome(error.to_string()))?;
    socket.send(Message::text(text)).map_err(|error| no_welcome(error.to_string()))?;
    let words = loop {
        match socket.read().map_err(|error| no_welcome(error.to_string()))? {
            Message::Text(words) => break words,
            Message::Close(_) => return Err(no_welcome("it closed the connection".to_owned())),
            _ => {}
        }
    };
    match serde_json::from_str(&words) {
        Ok(FromEngine::Welcome { engine, person, .. }) => Ok(Greeted { socket, engine, person }),
        Ok(FromEngine::Goodbye { problem }) => Err(DialError::Refused(problem)),
        Ok(_) => Err(no_welcome("it said something else".to_owned())),
        Err(error) => Err(no_welcome(error.to_string())),
    }
}

impl Address {
    /// Dials and says hello.
    pub fn reach(&self, client: &str, person: PersonId) -> Result<Greeted, DialError> {
        greet(self.dial()?, &self.to_string(), client, person)
    }
}
