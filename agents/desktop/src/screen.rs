//! The host's side of a desktop's X server: connections with deadlines, and the screen's pixels in memory
//! that belongs to the host and that nobody can shrink under it.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use mz_protocol::{Rect, Size};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};
use x11rb::connection::Connection;
use x11rb::protocol::shm;
use x11rb::protocol::xproto::{ImageFormat, Window};
use x11rb::rust_connection::{DefaultStream, PollMode, RustConnection, Stream};
use x11rb::utils::RawFdContainer;

use crate::error::DesktopError;
use crate::feed::{Grid, TILE, TileSet};

/// An X server that does not answer for this long is taken for dead.
const ANSWER: Duration = Duration::from_secs(5);

/// A connection to the X server on which no wait is endless.
pub(crate) type Display = RustConnection<TimedStream>;

pub(crate) struct TimedStream(DefaultStream);

impl Stream for TimedStream {
    fn poll(&self, mode: PollMode) -> io::Result<()> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, mode.readable());
        flags.set(PollFlags::OUT, mode.writable());
        if wait_for(self.0.as_fd(), flags, Some(ANSWER))? { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }

    fn read(&self, buf: &mut [u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.0.read(buf, fds)
    }

    fn write(&self, buf: &[u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.0.write(buf, fds)
    }

    fn write_vectored(&self, bufs: &[IoSlice<'_>], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.0.write_vectored(bufs, fds)
    }
}

impl AsFd for TimedStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether one of the flags came before the deadline.
pub(crate) fn wait_for(fd: BorrowedFd<'_>, flags: PollFlags, deadline: Option<Duration>) -> io::Result<bool> {
    let timeout = deadline.and_then(|span| Timespec::try_from(span).ok());
    loop {
        match rustix::event::poll(&mut [PollFd::from_borrowed_fd(fd, flags)], timeout.as_ref()) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Where an X server listens, and the word that it wants to hear.
#[derive(Debug, Clone)]
pub(crate) struct DisplayAddress {
    /// Folder with the socket; held open so that no path is too long for a socket address.
    pub folder: Arc<OwnedFd>,
    pub cookie: [u8; 16],
}

impl DisplayAddress {
    pub fn connect(&self) -> Result<Display, DesktopError> {
        use std::os::fd::AsRawFd;
        let path = format!("/proc/self/fd/{}/X{}", self.folder.as_raw_fd(), crate::wire::DISPLAY_NUMBER);
        let stream = UnixStream::connect(path).map_err(DesktopError::io("connecting to the X server of the desktop"))?;
        let (stream, _) = DefaultStream::from_unix_stream(stream).map_err(DesktopError::io("using the X server's socket"))?;
        RustConnection::connect_to_stream_with_auth_info(
            TimedStream(stream),
            0,
            b"MIT-MAGIC-COOKIE-1".to_vec(),
            self.cookie.to_vec(),
        )
        .map_err(|error| DesktopError::display("greeting it", error))
    }
}

/// Memory of the host that the X server writes pictures into.
pub(crate) struct Screen {
    size: Size,
    grid: Grid,
    root: Window,
    segment: shm::Seg,
    memory: Memory,
    /// What the memory holds: this part of the screen, row by row without gaps.
    held: Rect,
}

impl Screen {
    pub fn attach(display: &Display, size: Size) -> Result<Self, DesktopError> {
        let root = &display.setup().roots[0];
        if (root.width_in_pixels, root.height_in_pixels) != (size.width, size.height) || !matches!(root.root_depth, 24 | 32) {
            return Err(DesktopError::Display(format!(
                "it has a screen of {}x{} pixels and depth {}, not {}x{} and 24",
                root.width_in_pixels, root.height_in_pixels, root.root_depth, size.width, size.height
            )));
        }
        let (memory, fd) = Memory::sealed(size.pixels() * 4).map_err(DesktopError::io("making memory for the screen"))?;
        let segment = display.generate_id().map_err(|error| DesktopError::display("a number for the memory", error))?;
        let attached =
            shm::attach_fd(display, segment, fd, false).map_err(|error| DesktopError::display("sharing memory", error))?;
        attached.check().map_err(|error| DesktopError::display("sharing memory", error))?;
        Ok(Self { size, grid: Grid::new(size), root: root.root, segment, memory, held: Rect::default() })
    }

    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Has the X server write this part of the screen into the memory, grown to whole tiles, at one instant.
    pub fn capture(&mut self, display: &Display, part: Rect) -> Result<(), DesktopError> {
        let part = self.whole_tiles(part);
        self.capture_in_bands(display, part, part.height, |_, _| {})
    }

    /// The same, and the tiles in which it differs from the whole picture `previous`. One row of tiles is compared
    /// while the X server writes the next, so what is drawn meanwhile may show in some rows and not in others: only
    /// for those who look again at the damage that it makes.
    pub fn capture_changes(
        &mut self,
        display: &Display,
        part: Rect,
        previous: &[u8],
        into: &mut TileSet,
    ) -> Result<(), DesktopError> {
        into.clear();
        let (grid, part) = (self.grid, self.whole_tiles(part));
        self.capture_in_bands(display, part, TILE, |band, pixels| differing(grid, band, pixels, previous, into))
    }

    fn whole_tiles(&self, part: Rect) -> Rect {
        let down = |place: u16| place / TILE * TILE;
        let up = |place: u16, end: u16| place.div_ceil(TILE).saturating_mul(TILE).min(end);
        let (x, y) = (down(part.x), down(part.y));
        let (right, bottom) = (up(part.right(), self.size.width), up(part.bottom(), self.size.height));
        Rect { x, y, width: right.saturating_sub(x), height: bottom.saturating_sub(y) }
    }

    /// Asks for all bands of this height at once, and hands over each of them when it has been written.
    fn capture_in_bands(
        &mut self,
        display: &Display,
        part: Rect,
        height: u16,
        mut each: impl FnMut(Rect, &[u8]),
    ) -> Result<(), DesktopError> {
        self.held = Rect::default();
        if part.is_empty() {
            return Ok(());
        }
        let format = ImageFormat::Z_PIXMAP.into();
        let offset = |y: u16| usize::from(y - part.y) * usize::from(part.width) * 4;
        let mut asked = Vec::new();
        for y in (part.y..part.bottom()).step_by(usize::from(height)) {
            let band = Rect { y, height: height.min(part.bottom() - y), ..part };
            let (left, top, start) = (part.x as i16, y as i16, offset(y) as u32);
            let answer =
                shm::get_image(display, self.root, left, top, band.width, band.height, !0, format, self.segment, start)
                    .map_err(|error| DesktopError::display("capturing the screen", error))?;
            asked.push((band, answer));
        }
        for (band, answer) in asked {
            answer.reply().map_err(|error| DesktopError::display("capturing the screen", error))?;
            each(band, self.memory.bytes(offset(band.y)..offset(band.bottom())));
        }
        self.held = part;
        Ok(())
    }

    /// Copies the captured part into a whole picture.
    pub fn copy(&self, into: &mut [u8]) {
        for (_, start, row) in rows(self.size, self.held, self.whole()) {
            into[start..start + row.len()].copy_from_slice(row);
        }
    }

    /// A whole picture, after a capture of the whole screen.
    pub fn pixels(&self) -> Arc<[u8]> {
        self.whole().into()
    }

    /// The same; where it is as it was in `previous`, that picture is shared and nothing is copied.
    pub fn pixels_or(&self, previous: &Arc<[u8]>) -> Arc<[u8]> {
        if self.whole() == previous.as_ref() { previous.clone() } else { self.pixels() }
    }

    fn whole(&self) -> &[u8] {
        self.memory.bytes(0..self.memory.length)
    }
}

/// Rows of a part of the screen that lies in `pixels` without gaps: the row's number, and where it starts in a whole
/// picture.
fn rows(size: Size, part: Rect, pixels: &[u8]) -> impl Iterator<Item = (u16, usize, &[u8])> {
    let (stride, width) = (usize::from(size.width) * 4, (usize::from(part.width) * 4).max(1));
    let rows = pixels.chunks_exact(width).take(usize::from(part.height));
    rows.zip(part.y..).map(move |(row, y)| (y, usize::from(y) * stride + usize::from(part.x) * 4, row))
}

/// Adds the tiles in which a part of the screen differs from the whole picture `previous`.
fn differing(grid: Grid, part: Rect, pixels: &[u8], previous: &[u8], into: &mut TileSet) {
    let tile = usize::from(TILE);
    for (y, start, new) in rows(grid.size(), part, pixels) {
        let old = &previous[start..start + new.len()];
        // One comparison for a row that did not change at all, which is most of them.
        if new != old {
            let first = usize::from(y / TILE) * grid.columns() + usize::from(part.x / TILE);
            for (column, (new, old)) in new.chunks(tile * 4).zip(old.chunks(tile * 4)).enumerate() {
                if new != old {
                    into.insert(first + column);
                }
            }
        }
    }
}

/// Copies tiles from one picture into another of the same size.
pub(crate) fn copy_tiles(grid: Grid, tiles: &TileSet, from: &[u8], into: &mut [u8]) {
    let stride = usize::from(grid.size().width) * 4;
    for rect in tiles.iter().map(|index| grid.rect(index)) {
        let width = usize::from(rect.width) * 4;
        for y in rect.y..rect.bottom() {
            let start = usize::from(y) * stride + usize::from(rect.x) * 4;
            into[start..start + width].copy_from_slice(&from[start..start + width]);
        }
    }
}

/// A mapped file without a name that can neither grow nor shrink.
struct Memory {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone and is unmapped only when it is dropped.
unsafe impl Send for Memory {}
// SAFETY: as above; nothing on this side writes to it.
unsafe impl Sync for Memory {}

impl Memory {
    fn sealed(length: usize) -> io::Result<(Self, OwnedFd)> {
        let fd = rustix::fs::memfd_create("mezzanine-screen", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&fd, length as u64)?;
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        // SAFETY: a fresh shared mapping at an address of the kernel's choosing overlaps nothing.
        let start = unsafe { rustix::mm::mmap(std::ptr::null_mut(), length, ProtFlags::READ, MapFlags::SHARED, &fd, 0)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok((Self { start, length }, fd))
    }

    /// Some of the pixels. The X server writes them only until it has answered for them; one that is broken into may
    /// write at any time, which garbles its own picture and nothing else: no decision is taken twice on the same byte.
    fn bytes(&self, range: Range<usize>) -> &[u8] {
        let end = range.end.min(self.length);
        let start = range.start.min(end);
        // SAFETY: the range is inside of what is mapped as long as `self` lives, and that is sealed against shrinking.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(start), end - start) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped in `sealed` with this length, and no borrow outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_band_adds_its_own_tiles() {
        let size = Size { width: 150, height: 140 };
        let grid = Grid::new(size);
        let previous = vec![7; size.pixels() * 4];
        let mut found = TileSet::empty(grid);
        // Pixels (149, 63), (64, 64) and (149, 139), seen by a part of the screen that leaves out the first column.
        for (band, x, y, tile) in [
            (Rect::new(64, 0, 86, 64), 149, 63, 2),
            (Rect::new(64, 64, 86, 64), 64, 64, 4),
            (Rect::new(64, 128, 86, 12), 149, 139, 8),
        ] {
            let mut pixels = vec![7; usize::from(band.width) * usize::from(band.height) * 4];
            let before = found.clone();
            differing(grid, band, &pixels, &previous, &mut found);
            assert_eq!(found, before, "nothing had changed in {band:?}");
            pixels[(usize::from(y - band.y) * usize::from(band.width) + usize::from(x - band.x)) * 4 + 3] = 8;
            differing(grid, band, &pixels, &previous, &mut found);
            assert!(found.iter().any(|index| index == tile), "tile {tile} is not among {found:?}");
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), [2, 4, 8]);
    }
}
