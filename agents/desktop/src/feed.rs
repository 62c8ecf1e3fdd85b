//! Pictures of one screen: one writer, many readers, the newest wins.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mz_protocol::{Rect, Size};

/// Changes are told in squares of this side, in pixels.
pub const TILE: u16 = 64;
/// Frames whose changes are remembered: at 60 a second some four seconds.
const REMEMBERED: usize = 256;

/// One picture of a screen.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Counts up from 1 within a feed.
    pub seq: u64,
    /// Microseconds since 1970.
    pub captured: u64,
    pub size: Size,
    /// BGRX, four bytes a pixel, row by row.
    pub pixels: Arc<[u8]>,
    /// Tiles that changed since the previous frame of the feed.
    pub changed: Vec<Rect>,
}

/// What a reader has missed.
#[derive(Debug, Clone)]
pub struct Changes {
    pub frame: Arc<Frame>,
    /// Tiles that differ since the asked frame; all of them when `full`.
    pub changed: Vec<Rect>,
    /// The asked frame is too old or unknown: take the whole picture.
    pub full: bool,
}

/// The reading end. Clones see the same pictures.
#[derive(Clone)]
pub struct FrameFeed {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    newer: Condvar,
}

struct State {
    latest: Arc<Frame>,
    history: VecDeque<(u64, TileSet)>,
    closed: bool,
}

impl FrameFeed {
    /// A feed that starts with this picture, and its writing end. Public for stand-ins in tests.
    pub fn new(size: Size, captured: u64, pixels: Arc<[u8]>) -> (Self, FrameWriter) {
        let grid = Grid::new(size);
        let all = TileSet::full(grid);
        let latest = Arc::new(Frame { seq: 1, captured, size, pixels, changed: all.rects(grid) });
        let state = State { latest, history: VecDeque::from([(1, all)]), closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), newer: Condvar::new() });
        (Self { shared: shared.clone() }, FrameWriter { shared, grid })
    }

    pub fn latest(&self) -> Arc<Frame> {
        self.lock().latest.clone()
    }

    /// The newest frame as soon as its number is above `seq`; none at the deadline or when the feed has ended.
    pub fn wait_newer(&self, seq: u64, deadline: Duration) -> Option<Arc<Frame>> {
        let end = Instant::now() + deadline;
        let mut state = self.lock();
        loop {
            if state.latest.seq > seq {
                return Some(state.latest.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return None;
            }
            state = self.shared.newer.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The newest frame and all tiles that changed since frame `seq`; a reader may skip as many as it likes.
    pub fn changes_since(&self, seq: u64) -> Changes {
        let state = self.lock();
        let frame = state.latest.clone();
        let grid = Grid::new(frame.size);
        let oldest = state.history.front().map_or(u64::MAX, |(first, _)| *first);
        if seq > frame.seq || seq.saturating_add(1) < oldest {
            return Changes { changed: TileSet::full(grid).rects(grid), frame, full: true };
        }
        let mut union = TileSet::empty(grid);
        for (_, tiles) in state.history.iter().filter(|(number, _)| *number > seq) {
            union.add(tiles);
        }
        Changes { changed: union.rects(grid), frame, full: seq == 0 }
    }

    /// Whether there will be no more frames.
    pub fn ended(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writing end; when it goes, readers that wait come back.
pub struct FrameWriter {
    shared: Arc<Shared>,
    grid: Grid,
}

impl FrameWriter {
    /// `pixels` is the whole picture, `changed` has one bit for each tile in which it differs from the last one.
    pub fn publish(&mut self, captured: u64, pixels: Arc<[u8]>, changed: TileSet) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = state.latest.seq + 1;
        let size = state.latest.size;
        state.latest = Arc::new(Frame { seq, captured, size, pixels, changed: changed.rects(self.grid) });
        if state.history.len() == REMEMBERED {
            state.history.pop_front();
        }
        state.history.push_back((seq, changed));
        drop(state);
        self.shared.newer.notify_all();
    }
}

impl Drop for FrameWriter {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.newer.notify_all();
    }
}

/// How a screen is cut into tiles; those at the right and bottom edge may be smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    size: Size,
    columns: usize,
    rows: usize,
}

impl Grid {
    pub fn new(size: Size) -> Self {
        let tiles = |side: u16| usize::from(side.div_ceil(TILE));
        Self { size, columns: tiles(size.width), rows: tiles(size.height) }
    }

    pub fn len(self) -> usize {
        self.columns * self.rows
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn size(self) -> Size {
        self.size
    }

    pub fn columns(self) -> usize {
        self.columns
    }

    pub fn rect(self, index: usize) -> Rect {
        let x = (index % self.columns) as u16 * TILE;
        let y = (index / self.columns) as u16 * TILE;
        Rect { x, y, width: TILE.min(self.size.width - x), height: TILE.min(self.size.height - y) }
    }
}

/// A set of tiles, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileSet(Vec<u64>);

impl TileSet {
    pub fn empty(grid: Grid) -> Self {
        Self(vec![0; grid.len().div_ceil(64)])
    }

    pub fn full(grid: Grid) -> Self {
        let mut set = Self::empty(grid);
        (0..grid.len()).for_each(|index| set.insert(index));
        set
    }

    pub fn insert(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit))
    }

    pub fn rects(&self, grid: Grid) -> Vec<Rect> {
        self.iter().map(|index| grid.rect(index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 130, height: 70 };

    fn picture() -> Arc<[u8]> {
        vec![0; SIZE.pixels() * 4].into()
    }

    fn tiles(grid: Grid, which: &[usize]) -> TileSet {
        let mut set = TileSet::empty(grid);
        which.iter().for_each(|index| set.insert(*index));
        set
    }

    #[test]
    fn a_slow_reader_gets_all_that_it_missed() {
        let (feed, mut writer) = FrameFeed::new(SIZE, 0, picture());
        let grid = Grid::new(SIZE);
        assert_eq!((grid.len(), grid.rect(5)), (6, Rect::new(128, 64, 2, 6)));
        writer.publish(1, picture(), tiles(grid, &[0]));
        writer.publish(2, picture(), tiles(grid, &[5]));
        let missed = feed.changes_since(1);
        assert!(!missed.full);
        assert_eq!((missed.frame.seq, missed.changed), (3, vec![grid.rect(0), grid.rect(5)]));
        assert_eq!(feed.changes_since(2).changed, vec![grid.rect(5)]);
        assert!(feed.changes_since(3).changed.is_empty());
        assert!(feed.changes_since(0).full && feed.changes_since(9).full, "an unknown frame needs the whole picture");
        for _ in 0..REMEMBERED {
            writer.publish(3, picture(), tiles(grid, &[1]));
        }
        assert!(feed.changes_since(2).full, "what is forgotten needs the whole picture");
        assert!(!feed.changes_since(3).full);
    }

    #[test]
    fn waiting_ends_with_the_writer() {
        let (feed, writer) = FrameFeed::new(SIZE, 0, picture());
        drop(writer);
        assert!(feed.ended() && feed.wait_newer(1, Duration::from_secs(60)).is_none());
        assert_eq!(feed.wait_newer(0, Duration::ZERO).map(|frame| frame.seq), Some(1));
    }
}
