//! Names of things. Each id is a type of its own, so that a worker is never taken for a department.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {kind}: use 1 to 64 of the characters a-z, A-Z, 0-9, '.', '_' and '-'")]
pub struct IdError {
    pub kind: &'static str,
    pub text: String,
}

fn parse(kind: &'static str, text: &str) -> Result<String, IdError> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && !text.starts_with('.');
    if fits { Ok(text.to_owned()) } else { Err(IdError { kind, text: text.chars().take(80).collect() }) }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                parse($kind, text.as_ref()).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    CompanyId = "company name";
    DepartmentId = "department name";
    RoleId = "role name";
    /// An AI employee: the slug of its name, such as `mira`.
    WorkerId = "worker name";
    /// Such as `WO-0007`.
    WorkOrderId = "work order number";
    /// Such as `OBJ-0002`.
    ObjectiveId = "objective number";
    /// The folder name of a procedure.
    ProcedureId = "procedure name";
    ServiceId = "service name";
    /// Such as `AP-0012`.
    ApprovalId = "approval number";
    GrantId = "grant number";
    /// The right of one human to drive one worker's desktop.
    LeaseId = "lease number";
    /// A human.
    PersonId = "person";
}

/// The place of an event in the ledger, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct EventSeq(pub u64);

/// The stable id of an element on one desktop, for as long as that element exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ElementId(pub u64);

/// A BLAKE3 hash, 32 bytes; 64 hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    pub const ZERO: Self = Self([0; 32]);

    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({}…)", &self.to_hex()[..12])
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_hex()
    }
}

impl TryFrom<String> for Digest {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        let bad = || IdError { kind: "digest", text: text.chars().take(80).collect() };
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_could_be_a_path() {
        for text in ["", "a/b", "..", ".hidden", "é", &"x".repeat(65)] {
            assert!(WorkerId::new(text).is_err(), "{text:?} was taken");
        }
        assert_eq!(serde_json::from_str::<WorkerId>("\"mira\"").map(|w| w.to_string()).ok().as_deref(), Some("mira"));
        assert!(serde_json::from_str::<WorkerId>("\"../mira\"").is_err());
    }

    #[test]
    fn digest_survives_text() {
        let digest = Digest(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(Digest::try_from(digest.to_hex()), Ok(digest));
        assert!(Digest::try_from("é".repeat(32)).is_err());
    }
}
