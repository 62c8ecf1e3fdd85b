//! Desktops as textures: unpacked from the wire off the drawing thread, and put in place tile by tile.

use std::collections::HashMap;

use egui::{Color32, ColorImage, TextureHandle, TextureOptions};
use mz_protocol::{FrameError, FramePacket, Rect, Size, Timestamp, WorkerId};

/// Changed parts of a desktop, ready to be drawn.
#[derive(Debug, Clone)]
pub struct Patch {
    pub worker: WorkerId,
    pub captured_us: u64,
    pub size: Size,
    pub full: bool,
    pub parts: Vec<(Rect, ColorImage)>,
}

impl Patch {
    /// BGRX from the wire to what the painter takes.
    pub fn unpack(packet: &FramePacket) -> Result<Self, FrameError> {
        let mut parts = Vec::with_capacity(packet.tiles.len());
        for tile in &packet.tiles {
            let bytes = tile.unpack()?;
            parts.push((tile.rect, image(tile.rect, &bytes)));
        }
        let (worker, size) = (packet.worker.clone(), packet.size);
        let mut patch = Self { worker, captured_us: packet.captured_us, size, full: packet.full, parts };
        if patch.full && patch.parts.len() != 1 {
            patch.join();
        }
        Ok(patch)
    }

    /// One image instead of many tiles, since a texture is made in one piece.
    fn join(&mut self) {
        let (width, height) = (usize::from(self.size.width), usize::from(self.size.height));
        let mut whole = ColorImage::filled([width, height], Color32::BLACK);
        for (rect, part) in &self.parts {
            let columns = usize::from(rect.width);
            for row in 0..usize::from(rect.height) {
                let to = (usize::from(rect.y) + row) * width + usize::from(rect.x);
                whole.pixels[to..to + columns].copy_from_slice(&part.pixels[row * columns..(row + 1) * columns]);
            }
        }
        self.parts = vec![(self.size.rect(), whole)];
    }
}

fn image(rect: Rect, bgrx: &[u8]) -> ColorImage {
    let pixels = bgrx.chunks_exact(4).map(|p| Color32::from_rgba_premultiplied(p[2], p[1], p[0], 255)).collect();
    ColorImage::new([usize::from(rect.width), usize::from(rect.height)], pixels)
}

/// One desktop as it was last seen.
pub struct Picture {
    pub texture: TextureHandle,
    pub size: Size,
    /// The desktop itself, which this may be a smaller picture of.
    pub desktop: Size,
    /// When its pixels were read, microseconds since 1970.
    pub captured_us: u64,
}

impl Picture {
    pub fn captured(&self) -> Timestamp {
        Timestamp(i64::try_from(self.captured_us / 1000).unwrap_or(i64::MAX))
    }
}

/// A picture that has been given to its texture, for the bench.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub worker: WorkerId,
    pub captured_us: u64,
}

/// All live pictures.
#[derive(Default)]
pub struct Pictures {
    live: HashMap<WorkerId, Picture>,
    /// How much smaller than the desktops the live pictures come; 0 counts as 1.
    pub divisor: u8,
    /// What has arrived since it was last taken away; none is kept unless somebody asks.
    pub arrivals: Option<Vec<Arrival>>,
}

impl Pictures {
    pub fn get(&self, worker: &WorkerId) -> Option<&Picture> {
        self.live.get(worker)
    }

    /// Puts a patch in place. A part of a picture that is not there, or has another size, waits for a full one.
    pub fn put(&mut self, ctx: &egui::Context, patch: Patch) {
        let options = options();
        let captured_us = patch.captured_us;
        let worker = patch.worker.clone();
        match self.live.get_mut(&patch.worker) {
            Some(picture) if picture.size == patch.size => {
                for (rect, part) in patch.parts {
                    picture.texture.set_partial([usize::from(rect.x), usize::from(rect.y)], part, options);
                }
                picture.captured_us = captured_us;
            }
            _ => {
                let Some(mut picture) = still(ctx, patch.worker.as_str(), &patch) else { return };
                let by = u16::from(self.divisor.max(1));
                picture.desktop =
                    Size { width: patch.size.width.saturating_mul(by), height: patch.size.height.saturating_mul(by) };
                self.live.insert(patch.worker, picture);
            }
        }
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.push(Arrival { worker, captured_us });
        }
    }

    pub fn forget(&mut self, keep: impl Fn(&WorkerId) -> bool) {
        self.live.retain(|worker, _| keep(worker));
    }
}

/// A texture of a whole picture; None for a part of one.
pub fn still(ctx: &egui::Context, name: &str, patch: &Patch) -> Option<Picture> {
    let (_, whole) = patch.parts.first().filter(|_| patch.full)?;
    let texture = ctx.load_texture(format!("desktop-{name}"), whole.clone(), options());
    Some(Picture { texture, size: patch.size, desktop: patch.size, captured_us: patch.captured_us })
}

fn options() -> TextureOptions {
    TextureOptions::LINEAR
}
