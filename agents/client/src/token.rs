use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

const PREFIX: &str = "mzt_";
const DIGITS: usize = 64;

/// What proves who speaks over TCP: `mzt_` and 256 random bits in hexadecimal. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("that is no token: a token is the line mzt_… that `mezzanine token new NAME` prints once")]
pub struct BadToken;

impl Token {
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + DIGITS));
        text.push_str(PREFIX);
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        Self(text)
    }

    /// For the wire and for the one who keeps it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let text = text.trim();
        let digits = text.strip_prefix(PREFIX).ok_or(BadToken)?;
        let fits = digits.len() == DIGITS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if fits { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(BadToken) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_is_not_shown() -> Result<(), BadToken> {
        let token = Token::from_random(&[0xa7; 32]);
        assert_eq!(format!("{}\n", token.reveal()).parse::<Token>()?, token);
        assert!(!format!("{token:?}").contains("a7"));
        assert!(token.reveal()[..20].parse::<Token>().is_err());
        assert!(token.reveal().to_uppercase().parse::<Token>().is_err());
        Ok(())
    }
}
