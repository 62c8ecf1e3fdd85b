//! What one connection is sent without asking: changes of the state, and pictures. Pictures are newest-wins: a slow
//! client gets fewer, never older ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::ws::Message;
use mz_desktop::Frame;
use mz_protocol::{ErrorCode, EventSeq, FramePacket, FromEngine, Problem, Push, Rect, Response, Size, TilePatch, WorkerId};
use tokio::sync::mpsc;

use crate::answer::to_text;
use crate::house::House;
use crate::mask::MaskedFeed;

/// A feed looks this often whether it is still wanted, when its desktop is at rest.
const PATIENCE: Duration = Duration::from_millis(500);
/// Packed pictures that may wait for a client; when they are full, its feeds skip frames.
pub const PICTURES: usize = 4;

/// The streams of one connection; they end when it is dropped.
pub struct Feeds {
    house: Arc<House>,
    outbox: mpsc::Sender<Message>,
    picture_box: mpsc::Sender<Message>,
    pictures: Option<Watching>,
    following: Option<Arc<AtomicBool>>,
}

struct Watching {
    over: Arc<AtomicBool>,
    _threads: Vec<JoinHandle<()>>,
}

impl Feeds {
    pub fn new(house: Arc<House>, outbox: mpsc::Sender<Message>, picture_box: mpsc::Sender<Message>) -> Self {
        Self { house, outbox, picture_box, pictures: None, following: None }
    }

    /// Answers command `id`, and then sends the snapshot and every change, in this order.
    pub fn follow(&mut self, id: u64) -> Result<(), Problem> {
        if let Some(old) = self.following.take() {
            old.store(true, Ordering::Relaxed);
        }
        let over = Arc::new(AtomicBool::new(false));
        self.following = Some(Arc::clone(&over));
        let (house, outbox) = (Arc::clone(&self.house), self.outbox.clone());
        let send = move || {
            let done = to_text(&FromEngine::Response { id, response: Response::Done });
            if outbox.blocking_send(done).is_ok() {
                send_changes(&house, &outbox, &over);
            }
        };
        std::thread::Builder::new().name("changes".to_owned()).spawn(send).map(drop).map_err(|error| not_started(&error))
    }

    /// Replaces the workers whose pictures are sent.
    pub fn watch(&mut self, workers: &[WorkerId], divisor: u8) -> Response {
        if !matches!(divisor, 1 | 2 | 4) {
            return Response::Failed {
                problem: Problem::new(ErrorCode::BadRequest, "pictures come at 1, 1/2 or 1/4 of their size"),
            };
        }
        self.stop_pictures();
        let over = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        // One feed for each worker that there is, however often it is named.
        for worker in self.house.company.workers.iter().map(|worker| &worker.id).filter(|id| workers.contains(id)) {
            let stream = Stream {
                house: Arc::clone(&self.house),
                worker: worker.clone(),
                divisor: u16::from(divisor),
                picture_box: self.picture_box.clone(),
                over: Arc::clone(&over),
            };
            match std::thread::Builder::new().name(format!("feed-{worker}")).spawn(move || stream.run()) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    over.store(true, Ordering::Relaxed);
                    return Response::Failed { problem: not_started(&error) };
                }
            }
        }
        self.pictures = Some(Watching { over, _threads: threads });
        Response::Done
    }

    fn stop_pictures(&mut self) {
        if let Some(watching) = self.pictures.take() {
            watching.over.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Feeds {
    fn drop(&mut self) {
        self.stop_pictures();
        if let Some(following) = &self.following {
            following.store(true, Ordering::Relaxed);
        }
    }
}

fn not_started(error: &std::io::Error) -> Problem {
    Problem::new(ErrorCode::Internal, format!("cannot start a feed: {error}"))
}

fn send_changes(house: &House, outbox: &mpsc::Sender<Message>, over: &AtomicBool) {
    // What a follower has for certain: taken before the snapshot, so that nothing lies between the two.
    let mut last = house.newest_event().unwrap_or(EventSeq(0));
    loop {
        let (snapshot, changes) = house.floor.subscribe();
        if outbox.blocking_send(push(Push::Snapshot { snapshot: Box::new(snapshot) })).is_err() {
            return;
        }
        loop {
            if over.load(Ordering::Relaxed) || outbox.is_closed() {
                return;
            }
            match changes.recv_timeout(PATIENCE) {
                Ok(change) => {
                    if let Push::Event { record } = &change {
                        last = record.seq;
                    }
                    if outbox.blocking_send(push(change)).is_err() {
                        return;
                    }
                }
                Err(crossbeam_channel::RecvTimeoutError::Timeout) => {}
                Err(crossbeam_channel::RecvTimeoutError::Disconnected) => break,
            }
        }
        // Too slow: the floor has let go of us. Say so, and start over.
        if outbox.blocking_send(push(Push::Resync { after: last })).is_err() {
            return;
        }
    }
}

fn push(push: Push) -> Message {
    to_text(&FromEngine::Push { push })
}

struct Stream {
    house: Arc<House>,
    worker: WorkerId,
    divisor: u16,
    picture_box: mpsc::Sender<Message>,
    over: Arc<AtomicBool>,
}

impl Stream {
    fn run(&self) {
        let mut feed: Option<MaskedFeed> = None;
        while !self.over.load(Ordering::Relaxed) && !self.picture_box.is_closed() {
            let Some(open) = &mut feed else {
                // The desktop is not up yet, or is being started again.
                feed = self.house.wait_for_feed(&self.worker, PATIENCE);
                continue;
            };
            if open.ended() {
                feed = None;
                continue;
            }
            let Some(changes) = open.next(PATIENCE) else { continue };
            let packet = pack(&self.worker, &changes.frame, &changes.changed, changes.full, self.divisor);
            if self.picture_box.blocking_send(Message::Binary(packet.encode().into())).is_err() {
                return;
            }
        }
    }
}

/// The changed tiles of a frame, made smaller by an integer factor.
pub fn pack(worker: &WorkerId, frame: &Frame, changed: &[Rect], full: bool, divisor: u16) -> FramePacket {
    let size = Size { width: frame.size.width / divisor, height: frame.size.height / divisor };
    let whole = [frame.size.rect()];
    let tiles = if full { &whole[..] } else { changed };
    let tiles = tiles
        .iter()
        .filter_map(|rect| {
            let small = shrunk_rect(*rect, divisor, size)?;
            Some(TilePatch::pack(small, &shrunk_pixels(frame, small, divisor)))
        })
        .collect();
    FramePacket { worker: worker.clone(), seq: frame.seq, captured_us: frame.captured, size, full, tiles }
}

fn shrunk_rect(rect: Rect, divisor: u16, size: Size) -> Option<Rect> {
    let (x, y) = (rect.x / divisor, rect.y / divisor);
    let right = rect.right().div_ceil(divisor).min(size.width);
    let bottom = rect.bottom().div_ceil(divisor).min(size.height);
    (x < right && y < bottom).then(|| Rect::new(x, y, right - x, bottom - y))
}

/// Box filter; with a divisor of 1 it copies rows.
fn shrunk_pixels(frame: &Frame, rect: Rect, divisor: u16) -> Vec<u8> {
    let stride = usize::from(frame.size.width) * 4;
    let mut out = Vec::with_capacity(rect.area() as usize * 4);
    let step = usize::from(divisor);
    for y in rect.y..rect.bottom() {
        let top = usize::from(y) * step;
        let left = usize::from(rect.x) * step * 4;
        if step == 1 {
            let from = top * stride + left;
            out.extend_from_slice(&frame.pixels[from..from + usize::from(rect.width) * 4]);
            continue;
        }
        for x in 0..usize::from(rect.width) {
            let mut sums = [0u32; 3];
            for row in 0..step {
                let from = (top + row) * stride + left + x * step * 4;
                for pixel in frame.pixels[from..from + step * 4].chunks_exact(4) {
                    sums[0] += u32::from(pixel[0]);
                    sums[1] += u32::from(pixel[1]);
                    sums[2] += u32::from(pixel[2]);
                }
            }
            let count = (step * step) as u32;
            out.extend_from_slice(&[(sums[0] / count) as u8, (sums[1] / count) as u8, (sums[2] / count) as u8, 255]);
        }
    }
    out
}
