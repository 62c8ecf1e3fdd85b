//! Answers the engine's questions.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use mz_scene::RawTree;

use crate::inner::session::Session;
use crate::inner::tree::TreeReader;
use crate::inner::windows::Windows;
use crate::wire::{Answer, Ask, Request, Response, receive, send};

type Out = Arc<Mutex<UnixStream>>;

pub(crate) fn serve(link: UnixStream) -> io::Result<()> {
    let out: Out = Arc::new(Mutex::new(link.try_clone()?));
    let mut link = link;
    let mut session = None;
    // Two, so that a question that comes while one is answered waits for its turn.
    let (trees, asked) = bounded::<(u64, Duration)>(2);
    let tree_out = out.clone();
    std::thread::Builder::new().name("tree".into()).spawn(move || read_trees(&asked, &tree_out))?;
    loop {
        let request = match receive::<Request>(&mut link) {
            Ok(request) => request,
            // The engine is gone: so is the desktop.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Some(answer) = answer(&mut session, &trees, request.id, request.ask) {
            reply(&out, request.id, answer)?;
        }
    }
}

/// None where another thread answers.
fn answer(session: &mut Option<Session>, trees: &Sender<(u64, Duration)>, id: u64, ask: Ask) -> Option<Answer> {
    let failed = |why: String| Some(Answer::Failed { why });
    let Some(running) = session else {
        let Ask::Start { size, env } = ask else { return failed("the desktop has not been started".into()) };
        return match Session::start(size, env) {
            Ok(started) => {
                *session = Some(started);
                Some(Answer::Done)
            }
            Err(error) => failed(format!("starting the session: {error}")),
        };
    };
    match ask {
        Ask::Start { .. } => failed("the desktop has been started before".into()),
        Ask::Launch { argv } => match running.launch(&argv) {
            Ok(()) => Some(Answer::Done),
            Err(error) => failed(format!("starting {:?}: {error}", argv.first())),
        },
        Ask::Tree { within_ms } => match trees.try_send((id, Duration::from_millis(within_ms))) {
            Ok(()) => None,
            Err(_) => failed("the tree is being read already".into()),
        },
        Ask::Windows => match Windows::connect().and_then(|windows| windows.read()) {
            Ok(windows) => Some(Answer::Tree { tree: RawTree { windows, ..RawTree::default() } }),
            Err(error) => failed(format!("reading the windows: {error}")),
        },
        Ask::Processes => Some(Answer::Processes { count: running.count() }),
        Ask::Log => Some(Answer::Log { lines: running.log() }),
        Ask::Ping => Some(Answer::Done),
    }
}

fn reply(out: &Out, id: u64, answer: Answer) -> io::Result<()> {
    let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
    match send(&mut *out, &Response { id, answer }) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let answer = Answer::Failed { why: error.to_string() };
            send(&mut *out, &Response { id, answer })
        }
        other => other,
    }
}

/// The thread that reads trees: programs take their time to answer.
fn read_trees(asked: &Receiver<(u64, Duration)>, out: &Out) {
    let mut readers = (None, None);
    for (id, within) in asked {
        let answer = match read_tree(&mut readers, within) {
            Ok(tree) => Answer::Tree { tree },
            Err(why) => {
                // What failed is connected anew next time.
                readers = (None, None);
                Answer::Failed { why }
            }
        };
        if reply(out, id, answer).is_err() {
            return;
        }
    }
}

fn read_tree(readers: &mut (Option<TreeReader>, Option<Windows>), within: Duration) -> Result<RawTree, String> {
    let end = Instant::now() + within;
    let (tree, windows) = readers;
    if windows.is_none() {
        *windows = Some(Windows::connect().map_err(|error| format!("connecting to the X server: {error}"))?);
    }
    if tree.is_none() {
        *tree = Some(TreeReader::connect().map_err(|error| format!("connecting to the accessibility bus: {error}"))?);
    }
    let (Some(tree), Some(windows)) = (tree, windows) else { return Err("no reader".into()) };
    let left = end.saturating_duration_since(Instant::now());
    let mut read = tree.read(left).map_err(|error| format!("reading the tree: {error}"))?;
    let seen = windows.read().map_err(|error| format!("reading the windows: {error}"))?;
    super::windows::tie(&mut read, seen);
    Ok(read)
}
