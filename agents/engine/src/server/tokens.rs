//! Who may come in over TCP: named tokens. Only their hashes are kept, so that the file lets nobody in.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use mz_client::Token;
use mz_protocol::{PersonId, Timestamp};
use serde::{Deserialize, Serialize};

use super::identity;
use crate::clock;

/// More people than this do not lead one company.
const MOST: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("{0} has a token already: withdraw it with `mezzanine token revoke {0}` first")]
    Taken(PersonId),
    #[error("{0} has no token: `mezzanine token list` names those who have")]
    Unknown(PersonId),
    #[error("there are {MOST} tokens already: withdraw those that nobody needs")]
    TooMany,
    #[error("this machine gives no random numbers: {0}")]
    Random(String),
    #[error("the tokens in {}: {why}", path.display())]
    File { path: PathBuf, why: String },
}

/// A token as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    pub name: PersonId,
    pub made: Timestamp,
    /// BLAKE3 of the token, in hexadecimal. Enough for 256 random bits.
    hash: String,
}

/// The tokens of one engine. Read anew for every question: what is made or withdrawn counts at once.
pub struct Tokens {
    state: PathBuf,
}

impl Tokens {
    pub fn at(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// Makes a token; this is the only time that it can be seen.
    pub fn create(&self, name: &PersonId) -> Result<Token, TokenError> {
        let _lock = self.lock()?;
        let mut kept = self.list()?;
        if kept.iter().any(|old| old.name == *name) {
            return Err(TokenError::Taken(name.clone()));
        }
        if kept.len() >= MOST {
            return Err(TokenError::TooMany);
        }
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|error| TokenError::Random(error.to_string()))?;
        let token = Token::from_random(&bytes);
        kept.push(Kept { name: name.clone(), made: clock::now(), hash: hash(&token).to_hex().to_string() });
        self.save(&kept)?;
        Ok(token)
    }

    pub fn revoke(&self, name: &PersonId) -> Result<(), TokenError> {
        let _lock = self.lock()?;
        let mut kept = self.list()?;
        let before = kept.len();
        kept.retain(|old| old.name != *name);
        if kept.len() == before {
            return Err(TokenError::Unknown(name.clone()));
        }
        self.save(&kept)
    }

    pub fn list(&self) -> Result<Vec<Kept>, TokenError> {
        match std::fs::read(self.file()) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| self.fault(error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// Whose token this is, with its hash. A file that cannot be read lets nobody in.
    pub fn find(&self, token: &Token) -> Option<(blake3::Hash, PersonId)> {
        let presented = hash(token);
        let name = self.name_of(presented)?;
        Some((presented, name))
    }

    /// Whether a connection that came with this token may go on.
    pub fn is_valid(&self, hash: blake3::Hash) -> bool {
        self.name_of(hash).is_some()
    }

    /// Whether this name is proven by a token, so that nobody else may use it.
    pub fn is_taken(&self, name: &PersonId) -> bool {
        self.list().map_or(true, |kept| kept.iter().any(|old| old.name == *name))
    }

    /// Compares with every token, each in constant time, as `blake3::Hash` does.
    fn name_of(&self, presented: blake3::Hash) -> Option<PersonId> {
        let kept = self.list().inspect_err(|error| tracing::warn!("nobody is let in: {error}")).ok()?;
        let mut found = None;
        for token in kept {
            if blake3::Hash::from_hex(&token.hash).is_ok_and(|hash| hash == presented) {
                found = Some(token.name);
            }
        }
        found
    }

    fn save(&self, kept: &[Kept]) -> Result<(), TokenError> {
        let text = serde_json::to_vec_pretty(kept).map_err(|error| self.fault(error))?;
        identity::write(&self.file(), &text).map_err(|error| self.fault(format!("{error:#}")))
    }

    fn lock(&self) -> Result<File, TokenError> {
        let folder = identity::folder(&self.state).map_err(|error| self.fault(format!("{error:#}")))?;
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(folder.join("tokens.lock"));
        file.and_then(|file| file.lock().map(|()| file)).map_err(|error| self.fault(error))
    }

    fn file(&self) -> PathBuf {
        self.state.join("remote/tokens.json")
    }

    fn fault(&self, why: impl std::fmt::Display) -> TokenError {
        TokenError::File { path: self.file(), why: why.to_string() }
    }
}

fn hash(token: &Token) -> blake3::Hash {
    blake3::hash(token.reveal().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_it_is_withdrawn() -> Result<(), Box<dyn std::error::Error>> {
        use std::os::unix::fs::MetadataExt;
        let state = tempfile::tempdir()?;
        let tokens = Tokens::at(state.path());
        let (kim, lee) = (PersonId::new("kim")?, PersonId::new("lee")?);
        let (first, second) = (tokens.create(&kim)?, tokens.create(&lee)?);
        assert_eq!(tokens.find(&first).map(|(_, name)| name), Some(kim.clone()));
        assert_eq!(tokens.find(&second).map(|(_, name)| name), Some(lee.clone()));
        assert!(tokens.find(&Token::from_random(&[1; 32])).is_none());
        assert!(matches!(tokens.create(&kim), Err(TokenError::Taken(_))));
        let file = state.path().join("remote/tokens.json");
        assert!(!std::fs::read_to_string(&file)?.contains(&first.reveal()[4..]));
        assert_eq!(std::fs::metadata(&file)?.mode() & 0o777, 0o600);
        tokens.revoke(&kim)?;
        assert!(tokens.find(&first).is_none() && tokens.find(&second).is_some());
        assert!(matches!(tokens.revoke(&kim), Err(TokenError::Unknown(_))));
        std::fs::write(&file, "no tokens at all")?;
        assert!(tokens.find(&second).is_none(), "a damaged file lets someone in");
        Ok(())
    }
}
