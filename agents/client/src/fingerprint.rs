use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

const PREFIX: &str = "SHA256:";

/// SHA-256 over a certificate in DER, written as `SHA256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fingerprint: copy the line SHA256:… that `mezzanine up --listen` prints")]
pub struct BadFingerprint(String);

impl Fingerprint {
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    /// Also takes capital letters, and colons between the bytes as openssl prints them.
    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let bad = || BadFingerprint(text.chars().take(100).collect());
        let digits: String = text.trim().strip_prefix(PREFIX).ok_or_else(bad)?.chars().filter(|c| *c != ':').collect();
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_back_and_nothing_else_does() -> Result<(), BadFingerprint> {
        let print = Fingerprint::of(b"a certificate");
        let text = print.to_string();
        assert_eq!(text.parse::<Fingerprint>()?, print);
        let colons: Vec<String> =
            text.as_bytes()[PREFIX.len()..].chunks(2).map(|c| String::from_utf8_lossy(c).to_uppercase()).collect();
        assert_eq!(format!("{PREFIX}{}", colons.join(":")).parse::<Fingerprint>()?, print);
        for bad in
            ["", PREFIX, &text[1..], &text[..text.len() - 1], &format!("{text}0"), &text.replace("SHA256", "SHA1"), "SHA256:é"]
        {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad:?} was taken");
        }
        Ok(())
    }
}
