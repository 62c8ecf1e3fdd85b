use mz_protocol::{Digest, Rect, Size};

/// BLAKE3 over a region's place, the screen's size and the region's pixels (BGRX; the fourth byte, which X leaves
/// undefined, does not count). A region that reaches beyond the screen is cut at its edge; pixels that are not there
/// give the digest of an empty region, which matches nothing that was ever on a screen of that size.
pub fn digest(pixels: &[u8], size: Size, region: Rect) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("mezzanine 2026 pixels of a region");
    for side in [size.width, size.height, region.x, region.y, region.width, region.height] {
        hasher.update(&side.to_le_bytes());
    }
    let region = size.rect().intersection(region).unwrap_or_default();
    let stride = usize::from(size.width) * 4;
    let mut row = Vec::with_capacity(usize::from(region.width) * 3);
    for y in region.y..region.bottom() {
        let from = usize::from(y) * stride + usize::from(region.x) * 4;
        let Some(line) = pixels.get(from..from + usize::from(region.width) * 4) else { break };
        row.clear();
        row.extend(line.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]));
        hasher.update(&row);
    }
    Digest(*hasher.finalize().as_bytes())
}

/// Whether two pictures of one size show the same.
pub fn same_pixels(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && (a == b || a.chunks_exact(4).zip(b.chunks_exact(4)).all(|(a, b)| a[..3] == b[..3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 32, height: 16 };

    #[test]
    fn only_the_region_counts_and_all_of_it() {
        let mut pixels = vec![9u8; SIZE.pixels() * 4];
        let region = Rect::new(4, 4, 8, 4);
        let before = digest(&pixels, SIZE, region);
        pixels[0] = 1;
        pixels[3 + 4 * (4 * 32 + 5)] = 77;
        assert_eq!(digest(&pixels, SIZE, region), before, "another place, and the byte that X leaves undefined");
        for (x, y) in [(4, 4), (11, 4), (4, 7), (11, 7)] {
            let mut changed = pixels.clone();
            changed[4 * (y * 32 + x)] ^= 1;
            assert_ne!(digest(&changed, SIZE, region), before, "pixel {x},{y}");
        }
        assert_ne!(digest(&pixels, SIZE, Rect::new(5, 4, 8, 4)), before);
    }
}
