//! From a screen to a feed: woken by damage, blocked otherwise.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mz_protocol::{Rect, Size, WorkerId};
use rustix::event::{PollFd, PollFlags, Timespec};
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::damage::{self, ConnectionExt as _, ReportLevel};

use crate::error::DesktopError;
use crate::feed::{FrameFeed, FrameWriter, Grid, TileSet};
use crate::hand::now_us;
use crate::screen::{Display, DisplayAddress, Screen, copy_tiles};

/// At most some 60 pictures a second.
const PACE: Duration = Duration::from_millis(16);
/// Buffers that are kept for the next picture.
const BUFFERS: usize = 4;

/// The thread that feeds; it ends when `stop` is closed or the X server goes.
pub(crate) struct Capture {
    thread: Option<JoinHandle<()>>,
    stop: Option<OwnedFd>,
}

impl Capture {
    pub fn start(worker: &WorkerId, address: &DisplayAddress, size: Size) -> Result<(Self, FrameFeed), DesktopError> {
        let display = address.connect()?;
        let mut screen = Screen::attach(&display, size)?;
        let mark = watch_damage(&display).map_err(|error| DesktopError::display("watching for changes", error))?;
        screen.capture(&display, size.rect())?;
        let first = screen.pixels();
        let (feed, writer) = FrameFeed::new(size, now_us(), first.clone());
        let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|error| DesktopError::io("making a pipe")(error.into()))?;
        let pictures = Pictures::new(screen.grid(), first);
        let loop_ = Loop { display, screen, mark, writer, pictures, stopped };
        let thread = std::thread::Builder::new()
            .name(format!("frames-{worker}"))
            .spawn(move || loop_.run())
            .map_err(DesktopError::io("starting the thread for pictures"))?;
        Ok((Self { thread: Some(thread), stop: Some(stop) }, feed))
    }

    pub fn stop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch_damage(display: &Display) -> Result<damage::Damage, Box<dyn std::error::Error>> {
    display.damage_query_version(1, 1)?.reply()?;
    let mark = display.generate_id()?;
    // One event whenever the box around all that changed grows; taking it away starts anew.
    display.damage_create(mark, display.setup().roots[0].root, ReportLevel::BOUNDING_BOX)?.check()?;
    Ok(mark)
}

struct Loop {
    display: Display,
    screen: Screen,
    mark: damage::Damage,
    writer: FrameWriter,
    pictures: Pictures,
    stopped: OwnedFd,
}

impl Loop {
    fn run(mut self) {
        let mut changed = TileSet::empty(self.screen.grid());
        let mut next = Instant::now();
        // The feed ends with this thread, so its readers learn of it; why is for the desktop's owner to find.
        while let Ok(Some(damaged)) = self.wait_for_damage() {
            if self.pause_until(next) {
                return;
            }
            next = Instant::now() + PACE;
            if let Err(error) = self.look(damaged, &mut changed) {
                tracing::debug!(%error, "the pictures of a desktop end");
                return;
            }
        }
    }

    fn look(&mut self, damaged: Rect, changed: &mut TileSet) -> Result<(), DesktopError> {
        // What came during the pause belongs to this picture.
        let damaged = self.damage(Some(damaged))?.unwrap_or(damaged);
        // Taken away before the capture: what changes after it makes a new event. What changed since the last look at
        // the events is inside of the box, or its event is still to be read.
        self.display
            .damage_subtract(self.mark, x11rb::NONE, x11rb::NONE)
            .map_err(|error| DesktopError::display("watching for changes", error))?;
        self.screen.capture_changes(&self.display, damaged, self.pictures.last(), changed)?;
        let captured = now_us();
        if !changed.is_empty() {
            let pixels = self.pictures.next(&self.screen, changed);
            self.writer.publish(captured, pixels, changed.clone());
        }
        Ok(())
    }

    /// Blocks until there is damage, and gives the box around it; none when it is time to end.
    fn wait_for_damage(&self) -> Result<Option<Rect>, DesktopError> {
        loop {
            if let Some(damaged) = self.damage(None)? {
                return Ok(Some(damaged));
            }
            if self.poll(true, None) {
                return Ok(None);
            }
        }
    }

    /// The box around this and all that the X server has told of.
    fn damage(&self, mut damaged: Option<Rect>) -> Result<Option<Rect>, DesktopError> {
        let size = self.screen.grid().size();
        while let Some(event) =
            self.display.poll_for_event().map_err(|error| DesktopError::display("waiting for changes", error))?
        {
            let Event::DamageNotify(notice) = event else { continue };
            let area = notice.area;
            let (x, y) = (i32::from(area.x), i32::from(area.y));
            if let Some(area) = Rect::clipped(x, y, area.width.into(), area.height.into(), size) {
                damaged = Some(damaged.map_or(area, |all| around(all, area)));
            }
        }
        Ok(damaged)
    }

    /// Whether the stop came first.
    fn pause_until(&self, next: Instant) -> bool {
        let left = next.saturating_duration_since(Instant::now());
        !left.is_zero() && self.poll(false, Some(left))
    }

    /// Whether it is time to end.
    fn poll(&self, with_display: bool, deadline: Option<Duration>) -> bool {
        let timeout = deadline.and_then(|span| Timespec::try_from(span).ok());
        let mut fds = vec![PollFd::new(&self.stopped, PollFlags::IN)];
        if with_display {
            fds.push(PollFd::from_borrowed_fd(self.display.stream().as_fd(), PollFlags::IN));
        }
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => !fds[0].revents().is_empty(),
            Err(_) => true,
        }
    }
}

fn around(one: Rect, other: Rect) -> Rect {
    let (x, y) = (one.x.min(other.x), one.y.min(other.y));
    Rect { x, y, width: one.right().max(other.right()) - x, height: one.bottom().max(other.bottom()) - y }
}

/// The last picture, and buffers of older ones that no reader holds any more: only tiles that differ are copied.
struct Pictures {
    grid: Grid,
    last: Arc<[u8]>,
    pool: Vec<(Arc<[u8]>, TileSet)>,
}

impl Pictures {
    fn new(grid: Grid, first: Arc<[u8]>) -> Self {
        Self { grid, last: first, pool: Vec::with_capacity(BUFFERS) }
    }

    fn last(&self) -> &[u8] {
        &self.last
    }

    fn next(&mut self, screen: &Screen, changed: &TileSet) -> Arc<[u8]> {
        for (_, stale) in &mut self.pool {
            stale.add(changed);
        }
        let free = self.pool.iter_mut().position(|(pixels, _)| Arc::get_mut(pixels).is_some());
        let mut fresh = match free.map(|at| self.pool.swap_remove(at)) {
            Some((mut pixels, stale)) => {
                if let Some(bytes) = Arc::get_mut(&mut pixels) {
                    // A stale tile is taken from the last picture, which is what the comparison was made against;
                    // the changed ones then come from the screen.
                    copy_tiles(self.grid, &stale, &self.last, bytes);
                    screen.copy(bytes);
                }
                pixels
            }
            None => {
                let mut pixels: Arc<[u8]> = self.last.as_ref().into();
                if let Some(bytes) = Arc::get_mut(&mut pixels) {
                    screen.copy(bytes);
                }
                pixels
            }
        };
        std::mem::swap(&mut self.last, &mut fresh);
        if self.pool.len() < BUFFERS {
            self.pool.push((fresh, changed.clone()));
        }
        self.last.clone()
    }
}
