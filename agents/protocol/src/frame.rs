//! Pictures on the wire: the tiles of a desktop that changed, packed into one binary message.
//!
//! Layout, little-endian: `b"MZF1"`, length of the worker's id (u8) and its bytes, sequence (u64), captured
//! (u64, microseconds since 1970), width and height (u16), full (u8), number of tiles (u16), and for each tile
//! x, y, width, height (u16), codec (u8), length (u32) and data. Pixels are BGRX, four bytes each, row by row.

use crate::geometry::{Rect, Size};
use crate::ids::WorkerId;

const MAGIC: &[u8; 4] = b"MZF1";
/// The largest picture that is taken from the wire: 8192 × 8192.
const MAX_SIDE: u16 = 8192;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    Raw,
    Lz4,
}

/// One changed rectangle, compressed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TilePatch {
    pub rect: Rect,
    pub codec: Codec,
    pub data: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the frame message ends early or is no frame message")]
    Malformed,
    #[error("a tile lies outside of its {0:?} picture")]
    Outside(Size),
    #[error("a tile does not unpack to its size")]
    Damaged,
}

impl TilePatch {
    /// `pixels` are BGRX, `rect.area() * 4` bytes. Kept raw where packing does not pay.
    pub fn pack(rect: Rect, pixels: &[u8]) -> Self {
        let packed = lz4_flex::block::compress(pixels);
        if packed.len() < pixels.len() {
            Self { rect, codec: Codec::Lz4, data: packed }
        } else {
            Self { rect, codec: Codec::Raw, data: pixels.to_vec() }
        }
    }

    /// BGRX pixels, `rect.area() * 4` bytes.
    pub fn unpack(&self) -> Result<Vec<u8>, FrameError> {
        let length = self.rect.area() as usize * 4;
        let pixels = match self.codec {
            Codec::Raw => self.data.clone(),
            Codec::Lz4 => lz4_flex::block::decompress(&self.data, length).map_err(|_| FrameError::Damaged)?,
        };
        if pixels.len() == length { Ok(pixels) } else { Err(FrameError::Damaged) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FramePacket {
    pub worker: WorkerId,
    pub seq: u64,
    /// Microseconds since 1970 at which the pixels were read.
    pub captured_us: u64,
    pub size: Size,
    /// The tiles are the whole picture.
    pub full: bool,
    pub tiles: Vec<TilePatch>,
}

impl FramePacket {
    pub fn encode(&self) -> Vec<u8> {
        let payload: usize = self.tiles.iter().map(|tile| tile.data.len() + 13).sum();
        let mut out = Vec::with_capacity(payload + 100);
        out.extend_from_slice(MAGIC);
        let id = self.worker.as_str().as_bytes();
        out.push(id.len() as u8);
        out.extend_from_slice(id);
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.captured_us.to_le_bytes());
        out.extend_from_slice(&self.size.width.to_le_bytes());
        out.extend_from_slice(&self.size.height.to_le_bytes());
        out.push(u8::from(self.full));
        out.extend_from_slice(&(self.tiles.len().min(usize::from(u16::MAX)) as u16).to_le_bytes());
        for tile in self.tiles.iter().take(usize::from(u16::MAX)) {
            for side in [tile.rect.x, tile.rect.y, tile.rect.width, tile.rect.height] {
                out.extend_from_slice(&side.to_le_bytes());
            }
            out.push(match tile.codec {
                Codec::Raw => 0,
                Codec::Lz4 => 1,
            });
            out.extend_from_slice(&(tile.data.len() as u32).to_le_bytes());
            out.extend_from_slice(&tile.data);
        }
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let mut input = Reader(bytes);
        if input.take(4)? != MAGIC {
            return Err(FrameError::Malformed);
        }
        let length = usize::from(input.u8()?);
        let id = std::str::from_utf8(input.take(length)?).map_err(|_| FrameError::Malformed)?;
        let worker = WorkerId::new(id).map_err(|_| FrameError::Malformed)?;
        let seq = input.u64()?;
        let captured_us = input.u64()?;
        let size = Size { width: input.u16()?, height: input.u16()? };
        if size.width > MAX_SIDE || size.height > MAX_SIDE {
            return Err(FrameError::Malformed);
        }
        let full = input.u8()? != 0;
        let count = input.u16()?;
        let mut tiles = Vec::with_capacity(usize::from(count).min(1024));
        for _ in 0..count {
            let rect = Rect { x: input.u16()?, y: input.u16()?, width: input.u16()?, height: input.u16()? };
            let codec = match input.u8()? {
                0 => Codec::Raw,
                1 => Codec::Lz4,
                _ => return Err(FrameError::Malformed),
            };
            if rect.right() > size.width || rect.bottom() > size.height || rect.is_empty() {
                return Err(FrameError::Outside(size));
            }
            let length = input.u32()? as usize;
            tiles.push(TilePatch { rect, codec, data: input.take(length)?.to_vec() });
        }
        Ok(Self { worker, seq, captured_us, size, full, tiles })
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], FrameError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(FrameError::Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        self.take(N)?.try_into().map_err(|_| FrameError::Malformed)
    }

    fn u8(&mut self) -> Result<u8, FrameError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, FrameError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> Result<FramePacket, crate::IdError> {
        let flat = vec![7; 64 * 64 * 4];
        let noise: Vec<u8> = (0..16u32).map(|i| (i * 37 % 251) as u8).collect();
        Ok(FramePacket {
            worker: WorkerId::new("mira")?,
            seq: 9,
            captured_us: 1_700_000_000_000_000,
            size: Size::DESKTOP,
            full: false,
            tiles: vec![TilePatch::pack(Rect::new(64, 0, 64, 64), &flat), TilePatch::pack(Rect::new(0, 0, 2, 2), &noise)],
        })
    }

    #[test]
    fn frames_survive_the_wire_and_every_cut_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let packet = packet()?;
        let bytes = packet.encode();
        assert_eq!(FramePacket::decode(&bytes)?, packet);
        assert_eq!(packet.tiles[0].unpack()?, vec![7; 64 * 64 * 4]);
        for cut in 0..bytes.len() {
            assert!(FramePacket::decode(&bytes[..cut]).is_err(), "a frame cut at {cut} was taken");
        }
        Ok(())
    }

    #[test]
    fn a_tile_outside_of_the_picture_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let mut packet = packet()?;
        packet.tiles[0].rect.x = 1279;
        assert_eq!(FramePacket::decode(&packet.encode()), Err(FrameError::Outside(Size::DESKTOP)));
        Ok(())
    }
}
