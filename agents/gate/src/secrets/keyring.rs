//! The Secret Service of the session. A locked keyring may wait for a person for ever, so it is spoken to on
//! a thread of its own, and every question has a deadline.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use keyring::{Entry, Error};

use super::{Secret, SecretError, SecretStore, check_name, check_size};

const SERVICE: &str = "mezzanine";
/// Asked for once, to see whether anyone answers.
const PROBE: &str = "probe";

enum Question {
    Get,
    Put(Secret),
    Remove,
}

type Answer = Result<Option<Secret>, Error>;

struct Job {
    name: String,
    question: Question,
    answer: SyncSender<Answer>,
}

/// The keyring of whoever runs the engine.
pub struct KeyringStore {
    jobs: SyncSender<Job>,
    deadline: Duration,
}

impl KeyringStore {
    /// Asks once whether a keyring answers.
    pub fn open(folder: &Path, deadline: Duration) -> Result<Self, SecretError> {
        if !has_session_bus() {
            return Err(SecretError::Keyring("this session has no message bus".into()));
        }
        let (jobs, inbox) = sync_channel(4);
        let folder = folder.to_owned();
        thread::Builder::new()
            .name("keyring".into())
            .spawn(move || serve(&folder, &inbox))
            .map_err(|error| SecretError::Keyring(error.to_string()))?;
        let store = Self { jobs, deadline };
        store.ask(PROBE, Question::Get)?;
        Ok(store)
    }

    fn ask(&self, name: &str, question: Question) -> Result<Option<Secret>, SecretError> {
        let (answer, reply) = sync_channel(1);
        // Full: it hangs on an earlier question.
        let job = Job { name: name.to_owned(), question, answer };
        self.jobs.try_send(job).map_err(|_| SecretError::Late(self.deadline))?;
        match reply.recv_timeout(self.deadline) {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(Error::NoEntry)) => Ok(None),
            Ok(Err(error)) => Err(SecretError::Keyring(error.to_string())),
            Err(_) => Err(SecretError::Late(self.deadline)),
        }
    }
}

impl SecretStore for KeyringStore {
    fn place(&self) -> &str {
        "the keyring of this session"
    }

    fn get(&self, name: &str) -> Result<Option<Secret>, SecretError> {
        check_name(name)?;
        self.ask(name, Question::Get)
    }

    fn put(&self, name: &str, secret: &Secret) -> Result<(), SecretError> {
        check_name(name)?;
        check_size(secret)?;
        self.ask(name, Question::Put(secret.clone())).map(|_| ())
    }

    fn remove(&self, name: &str) -> Result<bool, SecretError> {
        check_name(name)?;
        self.ask(name, Question::Remove).map(|found| found.is_some())
    }
}

fn serve(folder: &Path, inbox: &Receiver<Job>) {
    while let Ok(Job { name, question, answer }) = inbox.recv() {
        let done = Entry::new(SERVICE, &folder.join(&name).display().to_string()).and_then(|entry| match question {
            Question::Get => entry.get_password().map(|text| Some(Secret::new(text))),
            Question::Put(secret) => entry.set_password(secret.expose()).map(|()| None),
            Question::Remove => entry.delete_credential().map(|()| Some(Secret::new(String::new()))),
        });
        // Whoever asked may have given up.
        drop(answer.try_send(done));
    }
}

fn has_session_bus() -> bool {
    std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some_and(|address| !address.is_empty())
        || std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|folder| Path::new(&folder).join("bus").exists())
}
