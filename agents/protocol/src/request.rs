//! Which requests of a program take effect outside, so that a person has to answer for them.

use std::fmt;
use std::str::FromStr;

/// A method and a path: `POST */git-receive-pack`. A `*` in the path stands for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRule {
    method: String,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no request: write a method and a path, such as \"POST */git-receive-pack\" or \"POST *\"")]
pub struct RequestRuleError(String);

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const LONGEST: usize = 200;

impl FromStr for RequestRule {
    type Err = RequestRuleError;

    fn from_str(text: &str) -> Result<Self, RequestRuleError> {
        let bad = || RequestRuleError(text.chars().take(80).collect());
        let (method, path) = text.split_once(' ').ok_or_else(bad)?;
        // Paths are compared in their plainest form, so a rule that is not in it would never be met.
        let plain = path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'%' | b';' | b'\\'))
            && !path.contains("//")
            && (path == "/" || !path.ends_with('/'));
        if !METHODS.contains(&method) || !path.starts_with(['/', '*']) || !plain || text.len() > LONGEST {
            return Err(bad());
        }
        Ok(Self { method: method.to_owned(), path: path.to_ascii_lowercase() })
    }
}

impl fmt::Display for RequestRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl RequestRule {
    /// Whether a request is meant, however its path is written: servers differ in what they take for the same.
    pub fn meets(&self, method: &str, path: &str) -> bool {
        self.method.eq_ignore_ascii_case(method) && glob(self.path.as_bytes(), plainest(path).as_bytes())
    }
}

/// Without escapes, doubled slashes, dots, parameters, query and a last slash, in lower case.
fn plainest(path: &str) -> String {
    let mut bytes = path.split(['?', '#']).next().unwrap_or_default().as_bytes().to_vec();
    // Escapes in escapes come off one layer at a time; each layer is shorter.
    while let Some(fewer) = unescaped(&bytes) {
        bytes = fewer;
    }
    let text = String::from_utf8_lossy(&bytes).replace('\\', "/").to_lowercase();
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/').map(|part| part.split([';', '?', '#', '\0']).next().unwrap_or_default().trim()) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    let (mut out, mut at, mut found) = (Vec::with_capacity(bytes.len()), 0, false);
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                (at, found) = (at + 3, true);
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    found.then_some(out)
}

/// In time that grows with the product of the lengths at most: after a miss only the last star takes one more.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_met_however_it_is_written() {
        let push: RequestRule = "POST */git-receive-pack".parse().unwrap();
        for path in [
            "/tickets.git/git-receive-pack",
            "/git-receive-pack",
            "/tickets.git//git-receive-pack/",
            "/tickets.git/git%2Dreceive%2dpack",
            "/tickets.git/git%252Dreceive-pack",
            "/tickets.git/%67it-receive-pack?x=1",
            "/a/../tickets.git/./git-receive-pack",
            "/tickets.git/GIT-receive-pack;v=1",
            "/tickets.git\\git-receive-pack",
            "/tickets.git%2fgit-receive-pack%00",
        ] {
            assert!(push.meets("POST", path) && push.meets("post", path), "{path} slips through");
            assert!(!push.meets("GET", path), "{path}");
        }
        for path in ["/tickets.git/git-upload-pack", "/tickets.git/info/refs?service=git-receive-pack", "/", "*", ""] {
            assert!(!push.meets("POST", path), "{path} is held up");
        }
        let all: RequestRule = "POST *".parse().unwrap();
        assert!(["/", "*", "", "/payments", "/a?b"].iter().all(|path| all.meets("POST", path)));
        let one: RequestRule = "DELETE /v1/*/members".parse().unwrap();
        assert!(one.meets("DELETE", "/v1/7/members") && !one.meets("DELETE", "/v1/7/membership"));
        assert!(!one.meets("DELETE", "/v2/7/members"));
    }

    #[test]
    fn what_could_never_be_met_is_no_rule() {
        for text in
            ["", "POST", "push *", "post /x", "POST x", "POST /a?b", "POST /a%20b", "POST /a//b", "POST /a/", "POST  /a"]
        {
            assert!(text.parse::<RequestRule>().is_err(), "{text:?} was taken");
        }
        assert_eq!("PUT /A/*".parse::<RequestRule>().unwrap().to_string(), "PUT /a/*");
    }
}
