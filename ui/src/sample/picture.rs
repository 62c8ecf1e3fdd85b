//! Made-up desktops: windows with bars for words, drawn with plain loops.

use mz_protocol::{FramePacket, Rect, Size, TilePatch, WorkerId};

use crate::pictures::Patch;
use crate::sample::NOW;

/// Blue, green, red.
type Ink = [u8; 3];

struct Canvas {
    size: Size,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(size: Size) -> Self {
        let mut canvas = Self { size, pixels: vec![0; size.pixels() * 4] };
        for y in 0..size.height {
            let shade = (u32::from(y) * 24 / u32::from(size.height.max(1))) as u8;
            canvas.fill(Rect::new(0, y, size.width, 1), [86 - shade, 66 - shade, 52 - shade]);
        }
        canvas
    }

    /// In thousandths of the picture, so that all sizes show the same.
    fn part(&self, x: u32, y: u32, width: u32, height: u32) -> Rect {
        let (w, h) = (u32::from(self.size.width), u32::from(self.size.height));
        let cut = |value: u32| value.min(u32::from(u16::MAX)) as u16;
        Rect::new(cut(x * w / 1000), cut(y * h / 1000), cut((width * w / 1000).max(1)), cut((height * h / 1000).max(1)))
    }

    fn fill(&mut self, rect: Rect, ink: Ink) {
        let Some(rect) = rect.intersection(self.size.rect()) else { return };
        for y in rect.y..rect.bottom() {
            let start = (usize::from(y) * usize::from(self.size.width) + usize::from(rect.x)) * 4;
            for pixel in self.pixels[start..start + usize::from(rect.width) * 4].chunks_exact_mut(4) {
                pixel[..3].copy_from_slice(&ink);
            }
        }
    }

    fn window(&mut self, x: u32, y: u32, width: u32, height: u32, paper: Ink, head: Ink) {
        self.fill(self.part(x, y, width, height), paper);
        self.fill(self.part(x, y, width, 38), head);
        self.fill(self.part(x + 10, y + 14, 150, 10), [150, 140, 130]);
    }

    /// A line of words as bars of uneven length.
    fn words(&mut self, x: u32, y: u32, width: u32, seed: u32, ink: Ink) {
        let (mut at, mut roll) = (x, seed.wrapping_mul(2_654_435_761) | 1);
        while at < x + width {
            roll = roll.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            let length = 14 + roll / 65_536 % 46;
            self.fill(self.part(at, y, length.min(x + width - at), 11), ink);
            at += length + 9;
        }
    }
}

fn canvas(kind: usize, size: Size) -> Canvas {
    let mut c = Canvas::new(size);
    let (paper, head, grey, dark) = ([246, 242, 238], [224, 217, 211], [176, 168, 160], [60, 52, 46]);
    match kind % 4 {
        0 => {
            c.window(80, 60, 840, 860, paper, head);
            c.words(120, 130, 320, 3, dark);
            c.fill(c.part(770, 112, 80, 48), [176, 110, 34]);
            c.words(785, 131, 48, 5, paper);
            c.fill(c.part(120, 190, 760, 180), [90, 160, 235]);
            for line in 0..6 {
                c.words(120, 410 + line * 34, if line == 5 { 300 } else { 700 }, 11 + line, grey);
            }
        }
        1 => {
            c.window(60, 50, 800, 880, paper, head);
            for row in 0..22 {
                c.fill(c.part(60, 126 + row * 36, 800, 2), head);
                for column in 0..5 {
                    c.words(74 + column * 160, 136 + row * 36, 70 + (row * 7 + column * 31) % 60, row * 5 + column, grey);
                }
            }
            for column in 1..5 {
                c.fill(c.part(60 + column * 160, 88, 1, 842), head);
            }
        }
        2 => {
            c.window(50, 50, 560, 820, [36, 30, 27], [52, 44, 40]);
            for line in 0..16 {
                c.words(80 + (line % 4) * 30, 120 + line * 42, 180 + (line * 53) % 240, 40 + line, [200, 180, 160]);
            }
            c.window(520, 470, 430, 420, [22, 17, 14], [40, 34, 30]);
            for line in 0..5 {
                c.words(540, 530 + line * 42, 90 + (line * 71) % 220, 80 + line, [140, 224, 130]);
            }
        }
        _ => {
            c.window(50, 60, 900, 860, paper, head);
            c.fill(c.part(150, 170, 700, 620), [110, 48, 86]);
            c.fill(c.part(150, 170, 350, 620), [90, 36, 44]);
            c.words(290, 460, 420, 7, paper);
        }
    }
    c
}

/// One whole picture, packed as the engine sends it.
pub fn packet(worker: &WorkerId, kind: usize, size: Size, seq: u64) -> FramePacket {
    let canvas = canvas(kind, size);
    let tile = TilePatch::pack(size.rect(), &canvas.pixels);
    let captured_us = u64::try_from(NOW.0).unwrap_or(0) * 1000 - 400_000;
    FramePacket { worker: worker.clone(), seq, captured_us, size, full: true, tiles: vec![tile] }
}

/// One whole picture, ready to be drawn.
pub fn desktop(worker: &WorkerId, kind: usize, size: Size) -> Patch {
    match Patch::unpack(&packet(worker, kind, size, 1)) {
        Ok(patch) => patch,
        Err(_) => Patch { worker: worker.clone(), captured_us: 0, size, full: false, parts: Vec::new() },
    }
}
