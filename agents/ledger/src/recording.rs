//! What the desktops looked like, for scrubbing back. Bounded in bytes: the oldest goes first. Nothing is synced, since
//! it is a convenience and no evidence; a torn end after a crash is skipped.
//!
//! A segment file is a run of records, each `length u32, checksum u32, FramePacket`, little-endian; the first one is the
//! whole picture. Its name is the worker's folder and `<first instant>-<number>.mzr`.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mz_protocol::{FramePacket, Millis, Rect, Size, TilePatch, Timestamp, WorkerId};

use crate::durable;
use crate::error::{LedgerError, Result};

const EXTENSION: &str = "mzr";
const RECORD_HEADER: usize = 8;
/// Room for two whole pictures of 8192 × 8192 is more than any screen needs in one record.
const MAX_RECORD: usize = 1 << 29;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingLimits {
    /// All workers together.
    pub bytes: u64,
    /// A whole picture is kept at least this often while the screen changes; a look back unpacks this much at most.
    pub keyframe_every: Millis,
}

impl Default for RecordingLimits {
    fn default() -> Self {
        Self { bytes: 2 << 30, keyframe_every: Millis(10_000) }
    }
}

/// What became of tiles that were handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    Kept,
    /// Nothing is known that the tiles could be put on: hand in the full picture next.
    NeedsFull,
    /// Larger than the whole budget.
    TooLarge,
}

/// A worker's screen as it was: BGRX, four bytes a pixel, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFrame {
    /// When the screen came to look like this.
    pub at: Timestamp,
    pub size: Size,
    pub pixels: Vec<u8>,
}

/// The recordings of all workers. To be shared between their threads; one worker's calls do not wait for another's.
#[derive(Debug)]
pub struct Recording {
    folder: PathBuf,
    limits: RecordingLimits,
    tracks: Mutex<HashMap<WorkerId, Arc<Mutex<Track>>>>,
    // Taken after a track's lock, never before.
    index: Mutex<Index>,
}

/// First instant of the segment, and a number that tells apart those that begin together.
type Key = (i64, u64);

#[derive(Debug, Default)]
struct Index {
    bytes: u64,
    next: u64,
    segments: BTreeMap<WorkerId, BTreeMap<Key, u64>>,
}

/// What one worker's recording goes on with.
#[derive(Debug, Default)]
struct Track {
    /// The screen after the last record.
    screen: Option<RecordedFrame>,
    open: Option<(Key, File)>,
    /// Instant of the last record.
    last: Timestamp,
    seq: u64,
}

impl Recording {
    /// Opens the recordings in `folder`, or begins them. What lies there counts against the budget.
    pub fn open(folder: impl AsRef<Path>, limits: RecordingLimits) -> Result<Self> {
        let folder = folder.as_ref().to_owned();
        durable::make_dir(&folder)?;
        let index = Index::read(&folder)?;
        let recording = Self { folder, limits, tracks: Mutex::default(), index: Mutex::new(index) };
        recording.make_room(&mut locked(&recording.index), 0)?;
        Ok(recording)
    }

    /// Keeps the tiles of `worker`'s screen that changed at `at`. `full`: they are the whole picture. Tiles that do not
    /// fit the screen or do not unpack make the recording ask for a full picture.
    pub fn record(&self, worker: &WorkerId, at: Timestamp, size: Size, tiles: &[TilePatch], full: bool) -> Result<Recorded> {
        let track = Arc::clone(locked(&self.tracks).entry(worker.clone()).or_default());
        let mut track = locked(&track);
        let base = track.screen.take().filter(|screen| screen.size == size);
        let mut screen = match base {
            Some(screen) => screen,
            None if full => RecordedFrame { at, size, pixels: vec![0; size.pixels() * 4] },
            None => return Ok(Recorded::NeedsFull),
        };
        if !tiles.iter().all(|tile| paint(&mut screen, tile)) {
            return Ok(Recorded::NeedsFull);
        }
        screen.at = at;
        if !self.goes_on(worker, &track, at, size) {
            track.open = None;
        }
        let covers = full && tiles.len() == 1 && tiles.iter().all(|tile| tile.rect == size.rect());
        let mut recorded = None;
        if track.open.is_some() || covers {
            recorded = self.write(worker, &mut track, &screen, tiles, full)?;
        }
        let recorded = match recorded {
            Some(recorded) => recorded,
            // A new segment begins, or making room took the open one.
            None => {
                let whole = [TilePatch::pack(size.rect(), &screen.pixels)];
                self.write(worker, &mut track, &screen, &whole, true)?.unwrap_or(Recorded::NeedsFull)
            }
        };
        if recorded == Recorded::Kept {
            track.last = at;
            track.screen = Some(screen);
        }
        Ok(recorded)
    }

    /// Whether the open segment takes another record.
    fn goes_on(&self, worker: &WorkerId, track: &Track, at: Timestamp, size: Size) -> bool {
        let Some((key, _)) = &track.open else { return false };
        // Many short segments, so that making room never drops much at once.
        let most = (self.limits.bytes / 16).max(size.pixels() as u64);
        let held = locked(&self.index).segments.get(worker).and_then(|segments| segments.get(key)).copied();
        // A clock that was set back begins a new segment, so that each one is in order.
        let last = track.last.0.max(key.0);
        let young = at.0 >= last && at.since(Timestamp(key.0)) < self.limits.keyframe_every;
        young && held.is_some_and(|bytes| bytes < most)
    }

    /// Writes one record to the open segment, or to a new one. `None`: the open segment is gone.
    fn write(
        &self,
        worker: &WorkerId,
        track: &mut Track,
        screen: &RecordedFrame,
        tiles: &[TilePatch],
        full: bool,
    ) -> Result<Option<Recorded>> {
        track.seq += 1;
        let captured_us = screen.at.0.max(0).unsigned_abs() * 1000;
        let packet =
            FramePacket { worker: worker.clone(), seq: track.seq, captured_us, size: screen.size, full, tiles: tiles.to_vec() };
        let payload = packet.encode();
        let mut record = Vec::with_capacity(RECORD_HEADER + payload.len());
        record.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
        record.extend_from_slice(&checksum(&payload));
        record.extend_from_slice(&payload);
        let open = track.open.take();
        if record.len() as u64 > self.limits.bytes || payload.len() > MAX_RECORD {
            return Ok(Some(Recorded::TooLarge));
        }
        let Some(key) = self.reserve(worker, open.as_ref().map(|(key, _)| *key), screen.at, record.len() as u64)? else {
            return Ok(None);
        };
        let path = self.path(worker, key);
        let mut file = match open {
            Some((_, file)) => file,
            None => {
                durable::make_dir(&self.folder.join(worker.as_str()))?;
                let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
                file.map_err(LedgerError::io("begin the recording", &path))?
            }
        };
        // A torn end, where this fails, ends the segment and stays counted.
        file.write_all(&record).map_err(LedgerError::io("record to", &path))?;
        if locked(&self.index).has(worker, key) {
            track.open = Some((key, file));
        } else {
            // Another worker's record took the room before this file was there.
            remove(&path)?;
        }
        Ok(Some(Recorded::Kept))
    }

    /// Room for `bytes` in the open segment or in a new one. `None`: making room took the open segment.
    fn reserve(&self, worker: &WorkerId, open: Option<Key>, at: Timestamp, bytes: u64) -> Result<Option<Key>> {
        let mut index = locked(&self.index);
        self.make_room(&mut index, bytes)?;
        let key = match open {
            Some(key) if !index.has(worker, key) => return Ok(None),
            Some(key) => key,
            None => index.begin(worker, at),
        };
        index.grow(worker, key, bytes);
        Ok(Some(key))
    }

    /// Deletes the oldest segments until `more` bytes fit.
    fn make_room(&self, index: &mut Index, more: u64) -> Result<()> {
        while index.bytes + more > self.limits.bytes {
            let Some((worker, key)) = index.take_oldest() else { return Ok(()) };
            remove(&self.path(&worker, key))?;
        }
        Ok(())
    }

    /// The worker's screen as it was at `at`: the last picture not later than that. `None` where nothing so old is kept.
    pub fn frame_at(&self, worker: &WorkerId, at: Timestamp) -> Result<Option<RecordedFrame>> {
        let upto = (Bound::Unbounded, Bound::Included((at.0, u64::MAX)));
        let keys: Vec<Key> = locked(&self.index)
            .segments
            .get(worker)
            // More than one only where a crash tore a segment's first record.
            .map(|segments| segments.range(upto).rev().take(3).map(|(key, _)| *key).collect())
            .unwrap_or_default();
        for key in keys {
            let path = self.path(worker, key);
            match fs::read(&path) {
                Ok(bytes) => match replay(&bytes, at) {
                    Some(frame) => return Ok(Some(frame)),
                    None => continue,
                },
                // Deleted meanwhile to make room.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(LedgerError::io("read the recording", &path)(error)),
            }
        }
        Ok(None)
    }

    /// The first instant that is kept of this worker, and that of the newest picture.
    pub fn span(&self, worker: &WorkerId) -> Result<Option<(Timestamp, Timestamp)>> {
        let first = locked(&self.index).segments.get(worker).and_then(|segments| segments.keys().next().copied());
        let last = self.frame_at(worker, Timestamp(i64::MAX))?;
        Ok(first.zip(last).map(|((first, _), last)| (Timestamp(first), last.at)))
    }

    /// Bytes of all recordings; never more than the limit.
    pub fn bytes(&self) -> u64 {
        locked(&self.index).bytes
    }

    fn path(&self, worker: &WorkerId, (start, number): Key) -> PathBuf {
        self.folder.join(worker.as_str()).join(format!("{start:016}-{number:08}.{EXTENSION}"))
    }
}

impl Index {
    fn read(folder: &Path) -> Result<Self> {
        let mut index = Self::default();
        let list = |path: &Path| -> Result<Vec<PathBuf>> {
            let failed = || LedgerError::io("list", path);
            let entries = fs::read_dir(path).map_err(failed())?;
            entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed())).collect()
        };
        for path in list(folder)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Ok(worker) = WorkerId::new(name) else { continue };
            for file in list(&path)? {
                let Some(key) = key_of(&file) else { continue };
                let bytes = fs::metadata(&file).map_err(LedgerError::io("look at", &file))?.len();
                index.next = index.next.max(key.1 + 1);
                index.bytes += bytes;
                index.segments.entry(worker.clone()).or_default().insert(key, bytes);
            }
        }
        Ok(index)
    }

    fn begin(&mut self, worker: &WorkerId, at: Timestamp) -> Key {
        let key = (at.0.max(0), self.next);
        self.next += 1;
        self.segments.entry(worker.clone()).or_default().insert(key, 0);
        key
    }

    fn has(&self, worker: &WorkerId, key: Key) -> bool {
        self.segments.get(worker).is_some_and(|segments| segments.contains_key(&key))
    }

    fn grow(&mut self, worker: &WorkerId, key: Key, by: u64) {
        if let Some(bytes) = self.segments.get_mut(worker).and_then(|segments| segments.get_mut(&key)) {
            *bytes += by;
            self.bytes += by;
        }
    }

    fn take_oldest(&mut self) -> Option<(WorkerId, Key)> {
        let first = |(worker, segments): (&WorkerId, &BTreeMap<Key, u64>)| {
            segments.first_key_value().map(|(key, _)| (*key, worker.clone()))
        };
        let (key, worker) = self.segments.iter().filter_map(first).min()?;
        let bytes = self.segments.get_mut(&worker).and_then(|segments| segments.remove(&key)).unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(bytes);
        Some((worker, key))
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(LedgerError::io("delete the recording", path)(error)),
        _ => Ok(()),
    }
}

fn key_of(path: &Path) -> Option<Key> {
    if path.extension()? != EXTENSION {
        return None;
    }
    let (start, number) = path.file_stem()?.to_str()?.split_once('-')?;
    Some((start.parse().ok()?, number.parse().ok()?))
}

/// The picture at `at`, from a segment's bytes. Stops at a torn or foreign record.
fn replay(mut bytes: &[u8], at: Timestamp) -> Option<RecordedFrame> {
    let mut screen: Option<RecordedFrame> = None;
    while let Some((payload, rest)) = next_record(bytes) {
        bytes = rest;
        let Ok(packet) = FramePacket::decode(payload) else { break };
        let when = Timestamp(i64::try_from(packet.captured_us / 1000).unwrap_or(i64::MAX));
        if when > at {
            break;
        }
        let mut next = match screen.take() {
            Some(screen) if screen.size == packet.size => screen,
            _ if packet.full => RecordedFrame { at: when, size: packet.size, pixels: vec![0; packet.size.pixels() * 4] },
            _ => return None,
        };
        if !packet.tiles.iter().all(|tile| paint(&mut next, tile)) {
            return None;
        }
        next.at = when;
        screen = Some(next);
    }
    screen
}

fn next_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER>()?;
    let [l0, l1, l2, l3, sum @ ..] = *header;
    let (payload, rest) = rest.split_at_checked(u32::from_le_bytes([l0, l1, l2, l3]) as usize)?;
    (checksum(payload) == sum).then_some((payload, rest))
}

fn checksum(payload: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = *blake3::hash(payload).as_bytes();
    [a, b, c, d]
}

/// Puts a tile on the screen; `false` where it does not fit or does not unpack.
fn paint(screen: &mut RecordedFrame, tile: &TilePatch) -> bool {
    let Rect { x, y, width, height } = tile.rect;
    // In u32: a rectangle that saturates at the edge of u16 must not be taken.
    let fits = u32::from(x) + u32::from(width) <= u32::from(screen.size.width)
        && u32::from(y) + u32::from(height) <= u32::from(screen.size.height)
        && !tile.rect.is_empty();
    let Some(pixels) = fits.then(|| tile.unpack().ok()).flatten() else { return false };
    let row = usize::from(width) * 4;
    let stride = usize::from(screen.size.width) * 4;
    let start = usize::from(y) * stride + usize::from(x) * 4;
    for (line, source) in pixels.chunks_exact(row).enumerate() {
        let from = start + line * stride;
        screen.pixels[from..from + row].copy_from_slice(source);
    }
    true
}

/// A panic elsewhere leaves these tables whole: each change is made in one step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
