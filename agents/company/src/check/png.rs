//! Pictures.

use std::io::Cursor;

use image::{ImageFormat, ImageReader, Limits, RgbaImage};

use super::Found;
use super::file::short;
use super::places::Looker;
use super::spec::{PixelCheck, PngCheck};

const FILE_LIMIT: u64 = 64 * 1024 * 1024;
const LONGEST_SIDE: u32 = 16_384;
const DECODED_LIMIT: u64 = 512 * 1024 * 1024;

pub(crate) fn look(check: &PngCheck, looker: &Looker<'_>) -> Found {
    let picture = read(&check.file, looker)?;
    let (width, height) = picture.dimensions();
    let (wide, high) = (check.width.unwrap_or(width), check.height.unwrap_or(height));
    if (wide, high) != (width, height) {
        return Err(format!("The picture should be {wide}×{high} pixels, and is {width}×{height}."));
    }
    for pixel in check.pixels.iter().chain(&check.pixel) {
        near(&picture, pixel, looker)?;
    }
    if check.not_blank {
        let first = picture.get_pixel(0, 0);
        if picture.pixels().all(|pixel| pixel == first) {
            return Err("The picture is blank: it has one colour only.".to_owned());
        }
    }
    if let Some(other) = &check.differs_from {
        let template = read(other, looker)?;
        if template.dimensions() == picture.dimensions() && template.as_raw() == picture.as_raw() {
            return Err("The picture is the template, unchanged.".to_owned());
        }
    }
    Ok(format!("A picture of {width}×{height} pixels, as it should be."))
}

fn read(path: &str, looker: &Looker<'_>) -> Result<RgbaImage, String> {
    let bytes = looker.read(path, FILE_LIMIT)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(DECODED_LIMIT);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| format!("{path} is no PNG picture: {error}."))?;
    Ok(picture.into_rgba8())
}

fn near(picture: &RgbaImage, wanted: &PixelCheck, looker: &Looker<'_>) -> Result<(), String> {
    let written = looker.fill(&wanted.color)?;
    let colour = colour(&written)
        .ok_or_else(|| format!("The check cannot be made: {} is no colour such as #1e7f5c.", short(&written)))?;
    let (x, y) = (wanted.x, wanted.y);
    let found = picture.get_pixel_checked(x, y).ok_or_else(|| format!("The picture has no pixel at {x}, {y}."))?;
    let fits = colour.iter().zip(found.0).all(|(want, found)| want.abs_diff(found) <= wanted.tolerance);
    let [red, green, blue, _] = found.0;
    if fits {
        Ok(())
    } else {
        Err(format!("The pixel at {x}, {y} should be near {written}, and is #{red:02x}{green:02x}{blue:02x}."))
    }
}

fn colour(text: &str) -> Option<[u8; 3]> {
    let digits = text.trim().strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    Some([part(0)?, part(2)?, part(4)?])
}
