//! The host's end of the talk with the program inside a desktop. Nothing that it says is believed.

use std::collections::HashMap;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use mz_protocol::WorkerId;
use mz_scene::RawTree;

use crate::error::DesktopError;
use crate::wire::{Answer, Ask, Request, Response, receive, send};

const MOST_WAITING: usize = 64;
const MOST_NODES: usize = 20_000;
const MOST_WINDOWS: usize = 200;
const LONGEST_TEXT: usize = 16 * 1024;

pub(crate) struct Link {
    stream: Mutex<UnixStream>,
    waiting: Arc<Waiting>,
    next: AtomicU64,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Waiting {
    by_id: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    senders: HashMap<u64, Sender<Answer>>,
    /// Why there will be no more answers.
    ended: Option<String>,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    pub fn new(worker: &WorkerId, stream: UnixStream) -> std::io::Result<Self> {
        // A program inside that does not read must not hold up its owner.
        stream.set_write_timeout(Some(Duration::from_secs(2)))?;
        let waiting = Arc::new(Waiting::default());
        let (reader, shared) = (stream.try_clone()?, waiting.clone());
        let name = format!("link-{worker}");
        let thread = std::thread::Builder::new().name(name).spawn(move || read_answers(reader, &shared))?;
        Ok(Self { stream: Mutex::new(stream), waiting, next: AtomicU64::new(1), thread: Some(thread) })
    }

    pub fn ask(&self, ask: Ask, what: &'static str, deadline: Duration) -> Result<Answer, DesktopError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = bounded(1);
        {
            let mut asked = self.waiting.lock();
            if let Some(why) = &asked.ended {
                return Err(DesktopError::Ended(why.clone()));
            }
            if asked.senders.len() >= MOST_WAITING {
                return Err(DesktopError::Refused(format!("{MOST_WAITING} questions are waiting for their answers")));
            }
            asked.senders.insert(id, sender);
        }
        let sent = send(&mut *self.stream.lock().unwrap_or_else(PoisonError::into_inner), &Request { id, ask });
        let answered = sent.map(|()| answer.recv_timeout(deadline));
        self.waiting.lock().senders.remove(&id);
        match answered {
            Err(error) => Err(DesktopError::Ended(format!("it takes no more questions: {error}"))),
            Ok(Ok(Answer::Failed { why })) => Err(DesktopError::Refused(why.chars().take(1000).collect())),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(RecvTimeoutError::Timeout)) => Err(DesktopError::Slow { what, within_ms: deadline.as_millis() as u64 }),
            Ok(Err(RecvTimeoutError::Disconnected)) => Err(DesktopError::Ended(self.ended().unwrap_or_default())),
        }
    }

    /// Why it ended, if it did.
    pub fn ended(&self) -> Option<String> {
        self.waiting.lock().ended.clone()
    }

    pub fn close(&self) {
        let _ = self.stream.lock().unwrap_or_else(PoisonError::into_inner).shutdown(Shutdown::Both);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read_answers(mut stream: UnixStream, waiting: &Waiting) {
    let why = loop {
        match receive::<Response>(&mut stream) {
            Ok(Response { id, answer }) => {
                if let Some(sender) = waiting.lock().senders.remove(&id) {
                    let _ = sender.try_send(answer);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break "its supervisor is gone".to_owned(),
            Err(error) => break format!("its supervisor talks nonsense: {error}"),
        }
    };
    // Nothing more is taken from it, also when it would go on.
    let _ = stream.shutdown(Shutdown::Both);
    let mut asked = waiting.lock();
    asked.ended = Some(why);
    asked.senders.clear();
}

/// The tree within bounds: short texts, and indices that lead where they may.
pub(crate) fn checked(mut tree: RawTree) -> Result<RawTree, DesktopError> {
    if tree.windows.len() > MOST_WINDOWS {
        tree.windows.truncate(MOST_WINDOWS);
        tree.truncated = true;
    }
    if tree.nodes.len() > MOST_NODES {
        tree.nodes.truncate(MOST_NODES);
        tree.truncated = true;
    }
    for window in &mut tree.windows {
        shorten(&mut window.title);
        shorten(&mut window.application);
    }
    let windows = tree.windows.len();
    for (index, node) in tree.nodes.iter_mut().enumerate() {
        if node.parent.is_some_and(|parent| parent as usize >= index) {
            return Err(DesktopError::Protocol(format!("the parent of object {index} comes after it")));
        }
        node.window = node.window.filter(|window| usize::from(*window) < windows);
        node.states.truncate(64);
        [&mut node.path, &mut node.role, &mut node.name].into_iter().chain(&mut node.states).for_each(shorten);
        node.value.iter_mut().chain(&mut node.labelled_by).for_each(shorten);
    }
    tree.focus = tree.focus.filter(|focus| (*focus as usize) < tree.nodes.len());
    Ok(tree)
}

fn shorten(text: &mut String) {
    if text.len() > LONGEST_TEXT {
        let end = (0..=LONGEST_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use mz_scene::RawNode;

    use super::*;

    #[test]
    fn a_lying_tree_is_cut_to_shape() {
        let node = |parent, name: String| RawNode { parent, name, window: Some(9), ..RawNode::default() };
        let long = "é".repeat(LONGEST_TEXT);
        let tree =
            RawTree { nodes: vec![node(None, long), node(Some(0), String::new())], focus: Some(7), ..RawTree::default() };
        let tree = checked(tree).unwrap();
        assert!(tree.nodes[0].name.len() <= LONGEST_TEXT);
        assert_eq!((tree.nodes[0].window, tree.focus), (None, None));
        let circle = RawTree { nodes: vec![node(Some(0), String::new())], ..RawTree::default() };
        assert!(checked(circle).is_err());
    }

    #[test]
    fn the_end_of_the_other_side_ends_every_wait() {
        let (host, inside) = UnixStream::pair().unwrap();
        let link = Link::new(&WorkerId::new("mira").unwrap(), host).unwrap();
        let asked = std::thread::scope(|scope| {
            let asked = scope.spawn(|| link.ask(Ask::Ping, "a ping", Duration::from_secs(60)));
            let mut inside = inside;
            let request: Request = receive(&mut inside).unwrap();
            assert_eq!(request.ask, Ask::Ping);
            drop(inside);
            asked.join().unwrap()
        });
        assert!(matches!(asked, Err(DesktopError::Ended(_))), "{asked:?}");
        assert!(link.ended().is_some());
    }
}
