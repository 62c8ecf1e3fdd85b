//! A cursor over the pieces of one step, and what it says when something else stands there.

use super::lex::{Kind, Token};

/// What was found and what was expected; the caller knows file and line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub what: String,
    pub expected: String,
}

pub(crate) type Said<T> = Result<T, Complaint>;

pub(crate) fn complain<T>(what: impl Into<String>, expected: impl Into<String>) -> Said<T> {
    Err(Complaint { what: what.into(), expected: expected.into() })
}

#[derive(Clone)]
pub(crate) struct Sentence<'a> {
    tokens: &'a [Token],
    next: usize,
}

impl<'a> Sentence<'a> {
    pub fn new(tokens: &'a [Token]) -> Self {
        Self { tokens, next: 0 }
    }

    pub fn peek(&self) -> Option<&'a Kind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    pub fn at_end(&self) -> bool {
        self.next >= self.tokens.len()
    }

    pub fn skip(&mut self) {
        self.next += 1;
    }

    /// Takes a word or several, if exactly they come next; case does not count.
    pub fn word(&mut self, words: &str) -> bool {
        let mut at = self.next;
        for word in words.split(' ') {
            match self.tokens.get(at).map(|token| &token.kind) {
                Some(Kind::Word(found)) if found.eq_ignore_ascii_case(word) => at += 1,
                _ => return false,
            }
        }
        self.next = at;
        true
    }

    pub fn any(&mut self, choices: &[&str]) -> bool {
        choices.iter().any(|words| self.word(words))
    }

    pub fn mark(&mut self, kind: &Kind) -> bool {
        let found = self.peek() == Some(kind);
        if found {
            self.next += 1;
        }
        found
    }

    /// Takes whatever word comes next.
    pub fn take_word(&mut self) -> Option<String> {
        match self.peek() {
            Some(Kind::Word(word)) => {
                self.next += 1;
                Some(word.clone())
            }
            _ => None,
        }
    }

    pub fn take_quoted(&mut self) -> Option<String> {
        match self.peek() {
            Some(Kind::Quoted(text)) => {
                self.next += 1;
                Some(text.clone())
            }
            _ => None,
        }
    }

    pub fn need_word(&mut self, words: &str, example: &str) -> Said<()> {
        if self.word(words) { Ok(()) } else { complain(self.found(), format!("{words:?}, as in: {example}")) }
    }

    pub fn need_quoted(&mut self, what: &str, example: &str) -> Said<String> {
        match self.take_quoted() {
            Some(text) => Ok(text),
            None => complain(self.found(), format!("{what} in quotes, as in: {example}")),
        }
    }

    /// What stands at the cursor, for a fault.
    pub fn found(&self) -> String {
        match self.tokens.get(self.next) {
            Some(token) => format!("found {} at character {}", token.shown(), token.at),
            None => "the step ends too early".to_owned(),
        }
    }
}
