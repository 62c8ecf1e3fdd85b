//! The last five seconds of one desktop: what changed on the screen, and what was done on it.

use std::collections::VecDeque;

use mz_protocol::{Action, FrameError, Millis, Size, TilePatch, Timestamp};

/// How far back the ring goes.
const SPAN: Millis = Millis(5000);
/// Moments and inputs that are kept at most, however small they are: more than a screen and a hand make in five seconds.
const MOST_MOMENTS: usize = 1024;
const MOST_INPUTS: usize = 1024;

/// An own input, and when it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingInput {
    pub at: Timestamp,
    pub action: Action,
}

/// Tiles that changed at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    pub at: Timestamp,
    pub tiles: Vec<TilePatch>,
}

/// Bounded in time and in bytes; what falls out at the old end is worked into the picture before it.
#[derive(Debug)]
pub struct Ring {
    size: Size,
    /// The screen before the oldest moment, BGRX.
    base: Vec<u8>,
    moments: VecDeque<Moment>,
    inputs: VecDeque<RingInput>,
    bytes: usize,
    most_bytes: usize,
}

impl Ring {
    /// A ring that holds at most this many bytes of changed tiles beside one whole picture. The screen starts black.
    pub fn new(size: Size, most_bytes: usize) -> Self {
        let base = vec![0; size.pixels() * 4];
        Self { size, base, moments: VecDeque::new(), inputs: VecDeque::new(), bytes: 0, most_bytes }
    }

    /// Takes changed tiles; a tile that does not unpack or lies outside is an error and changes nothing.
    pub fn push(&mut self, at: Timestamp, tiles: Vec<TilePatch>) -> Result<(), FrameError> {
        for tile in &tiles {
            if tile.rect.right() > self.size.width || tile.rect.bottom() > self.size.height {
                return Err(FrameError::Outside(self.size));
            }
            tile.unpack()?;
        }
        self.bytes += tiles.iter().map(|tile| tile.data.len()).sum::<usize>();
        self.moments.push_back(Moment { at, tiles });
        self.forget_before(at);
        Ok(())
    }

    pub fn push_input(&mut self, at: Timestamp, action: Action) {
        self.inputs.push_back(RingInput { at, action });
        self.forget_before(at);
    }

    /// Own inputs of the last five seconds, oldest first.
    pub fn inputs(&self) -> impl Iterator<Item = &RingInput> {
        self.inputs.iter()
    }

    /// Changes of the last five seconds, oldest first.
    pub fn moments(&self) -> impl Iterator<Item = &Moment> {
        self.moments.iter()
    }

    /// The screen as it was at an instant, BGRX; the oldest that is known for one that is too old.
    pub fn picture_at(&self, at: Timestamp) -> Vec<u8> {
        let mut picture = self.base.clone();
        for moment in self.moments.iter().take_while(|moment| moment.at <= at) {
            moment.tiles.iter().for_each(|tile| paint(&mut picture, self.size, tile));
        }
        picture
    }

    /// Bytes of changed tiles that are held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn forget_before(&mut self, now: Timestamp) {
        let is_too_much = |ring: &Self| ring.bytes > ring.most_bytes || ring.moments.len() > MOST_MOMENTS;
        while self.moments.front().is_some_and(|moment| now.since(moment.at) > SPAN || is_too_much(self)) {
            let Some(old) = self.moments.pop_front() else { break };
            for tile in &old.tiles {
                self.bytes -= tile.data.len();
                paint(&mut self.base, self.size, tile);
            }
        }
        while self.inputs.front().is_some_and(|input| now.since(input.at) > SPAN || self.inputs.len() > MOST_INPUTS) {
            self.inputs.pop_front();
        }
    }
}

/// Tiles were seen to unpack and to lie inside when they came in.
fn paint(picture: &mut [u8], size: Size, tile: &TilePatch) {
    let Ok(pixels) = tile.unpack() else { return };
    let width = usize::from(tile.rect.width) * 4;
    for (row, line) in pixels.chunks_exact(width.max(1)).enumerate() {
        let from = ((usize::from(tile.rect.y) + row) * usize::from(size.width) + usize::from(tile.rect.x)) * 4;
        if let Some(place) = picture.get_mut(from..from + width) {
            place.copy_from_slice(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mz_protocol::Rect;
    use proptest::prelude::*;

    const SIZE: Size = Size { width: 64, height: 64 };

    fn tile(x: u16, y: u16, shade: u8) -> TilePatch {
        TilePatch::pack(Rect::new(x, y, 16, 16), &[shade; 16 * 16 * 4])
    }

    proptest! {
        #[test]
        fn the_newest_picture_is_the_screen_whatever_was_forgotten(
            changes in prop::collection::vec((0u16..4, 0u16..4, any::<u8>(), 0i64..3000), 1..60),
            most in 0usize..2000,
        ) {
            let mut ring = Ring::new(SIZE, most);
            let mut screen = vec![0u8; SIZE.pixels() * 4];
            let mut now = 0;
            for (x, y, shade, later) in changes {
                now += later;
                let patch = tile(x * 16, y * 16, shade);
                paint(&mut screen, SIZE, &patch);
                ring.push(Timestamp(now), vec![patch]).unwrap();
                prop_assert!(ring.bytes() <= most);
                prop_assert!(ring.moments().all(|moment| now - moment.at.0 <= 5000));
                prop_assert!(ring.picture_at(Timestamp(now)) == screen);
            }
        }
    }

    #[test]
    fn the_past_is_as_it_was() {
        let mut ring = Ring::new(SIZE, 1 << 20);
        ring.push(Timestamp(0), vec![tile(0, 0, 1)]).unwrap();
        ring.push(Timestamp(1000), vec![tile(0, 0, 2)]).unwrap();
        assert_eq!((ring.picture_at(Timestamp(999))[0], ring.picture_at(Timestamp(1000))[0]), (1, 2));
        ring.push(Timestamp(5600), vec![]).unwrap();
        assert_eq!(ring.picture_at(Timestamp(0))[0], 1, "what is older than five seconds is the oldest that is known");
    }

    #[test]
    fn a_burst_within_the_five_seconds_is_bounded() {
        let mut ring = Ring::new(SIZE, 1 << 20);
        for _ in 0..MOST_MOMENTS + 10 {
            ring.push(Timestamp(0), vec![]).unwrap();
        }
        for _ in 0..MOST_INPUTS + 10 {
            ring.push_input(Timestamp(0), Action::Wait { span: Millis(1) });
        }
        assert_eq!((ring.moments().count(), ring.inputs().count()), (MOST_MOMENTS, MOST_INPUTS));
    }

    #[test]
    fn damaged_tiles_are_refused() {
        let mut ring = Ring::new(SIZE, 1 << 20);
        let mut bad = tile(0, 0, 3);
        bad.data.truncate(1);
        assert!(ring.push(Timestamp(0), vec![bad]).is_err());
        assert!(ring.push(Timestamp(0), vec![tile(60, 0, 3)]).is_err());
        assert_eq!(ring.bytes(), 0);
    }
}
