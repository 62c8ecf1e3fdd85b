//! The windows as the X server and the window manager know them.

use std::time::{Duration, Instant};

use mz_protocol::Size;
use mz_scene::{RawTree, RawWindow};
use x11rb::connection::Connection;
use x11rb::errors::{ReplyError, ReplyOrIdError};
use x11rb::protocol::xproto::{AtomEnum, ChangeWindowAttributesAux, ConnectionExt, EventMask, Window};
use x11rb::rust_connection::RustConnection;

type Failed = Box<dyn std::error::Error + Send + Sync>;

const MOST_WINDOWS: usize = 200;
/// Behind all windows: a quiet dark grey.
const BACKGROUND: u32 = 0x002b_2f36;

x11rb::atom_manager! {
    Atoms: AtomsCookie {
        _NET_CLIENT_LIST_STACKING,
        _NET_ACTIVE_WINDOW,
        _NET_WM_NAME,
        _NET_WM_PID,
        _NET_WM_STATE,
        _NET_WM_STATE_HIDDEN,
        _NET_FRAME_EXTENTS,
        _NET_SUPPORTING_WM_CHECK,
    }
}

pub(crate) struct Windows {
    display: RustConnection,
    root: Window,
    atoms: Atoms,
}

impl Windows {
    pub fn connect() -> Result<Self, Failed> {
        let (display, screen) = RustConnection::connect(None)?;
        let root = display.setup().roots[screen].root;
        let atoms = Atoms::new(&display)?.reply()?;
        Ok(Self { display, root, atoms })
    }

    /// Paints the background and waits for the window manager.
    pub fn wait_for_manager(&self, size: Size, deadline: Duration) -> Result<(), Failed> {
        let wishes = ChangeWindowAttributesAux::new().background_pixel(BACKGROUND).event_mask(EventMask::PROPERTY_CHANGE);
        self.display.change_window_attributes(self.root, &wishes)?;
        self.display.clear_area(false, self.root, 0, 0, size.width, size.height)?;
        let end = Instant::now() + deadline;
        while self.numbers(self.root, self.atoms._NET_SUPPORTING_WM_CHECK)?.is_empty() {
            self.wait_for_event(end)?;
        }
        Ok(())
    }

    fn wait_for_event(&self, end: Instant) -> Result<(), Failed> {
        use std::os::fd::AsFd;
        self.display.flush()?;
        if self.display.poll_for_event()?.is_some() {
            return Ok(());
        }
        let left = end.saturating_duration_since(Instant::now());
        let fd = self.display.stream().as_fd();
        if left.is_zero() || !crate::screen::wait_for(fd, rustix::event::PollFlags::IN, Some(left))? {
            return Err("the window manager does not come up".into());
        }
        Ok(())
    }

    /// Visible windows, topmost first, with their frames.
    pub fn read(&self) -> Result<Vec<RawWindow>, Failed> {
        let active = self.numbers(self.root, self.atoms._NET_ACTIVE_WINDOW)?.first().copied();
        let stacked = self.numbers(self.root, self.atoms._NET_CLIENT_LIST_STACKING)?;
        let mut windows = Vec::new();
        for window in stacked.into_iter().rev().take(MOST_WINDOWS) {
            // A window may go while it is asked about.
            if let Ok(Some(mut found)) = self.window(window) {
                found.active = active == Some(window);
                windows.push(found);
            }
        }
        Ok(windows)
    }

    fn window(&self, window: Window) -> Result<Option<RawWindow>, ReplyOrIdError> {
        if self.numbers(window, self.atoms._NET_WM_STATE)?.contains(&self.atoms._NET_WM_STATE_HIDDEN) {
            return Ok(None);
        }
        let geometry = self.display.get_geometry(window)?.reply()?;
        let place = self.display.translate_coordinates(window, self.root, 0, 0)?.reply()?;
        let frame = self.numbers(window, self.atoms._NET_FRAME_EXTENTS)?;
        let frame: [i32; 4] = std::array::from_fn(|side| frame.get(side).map_or(0, |width| (*width).min(200) as i32));
        let [left, right, top, bottom] = frame;
        let mut title = self.text(window, self.atoms._NET_WM_NAME)?;
        if title.is_empty() {
            title = self.text(window, AtomEnum::WM_NAME.into())?;
        }
        let class = self.text(window, AtomEnum::WM_CLASS.into())?;
        Ok(Some(RawWindow {
            title,
            application: class.split('\0').nth(1).unwrap_or_default().to_owned(),
            x: i32::from(place.dst_x) - left,
            y: i32::from(place.dst_y) - top,
            w: i32::from(geometry.width) + left + right,
            h: i32::from(geometry.height) + top + bottom,
            active: false,
            pid: self.numbers(window, self.atoms._NET_WM_PID)?.first().copied().unwrap_or(0),
        }))
    }

    fn numbers(&self, window: Window, property: u32) -> Result<Vec<u32>, ReplyError> {
        let reply = self.display.get_property(false, window, property, AtomEnum::ANY, 0, 1024)?.reply()?;
        Ok(reply.value32().map(Iterator::collect).unwrap_or_default())
    }

    fn text(&self, window: Window, property: u32) -> Result<String, ReplyError> {
        let reply = self.display.get_property(false, window, property, AtomEnum::ANY, 0, 1024)?.reply()?;
        Ok(String::from_utf8_lossy(&reply.value).into_owned())
    }
}

/// Puts the windows into a tree whose reader knows none, and ties each object to the window that it is in: that
/// with the title of its topmost ancestor, or else the smallest that contains that ancestor.
pub(crate) fn tie(tree: &mut RawTree, windows: Vec<RawWindow>) {
    if !tree.windows.is_empty() {
        return;
    }
    tree.windows = windows;
    let mut frames: Vec<Option<u16>> = Vec::with_capacity(tree.nodes.len());
    for node in &tree.nodes {
        let above = node.parent.and_then(|parent| frames.get(parent as usize).copied().flatten());
        let found = above.or_else(|| {
            let by_title = tree.windows.iter().position(|window| !node.name.is_empty() && window.title == node.name);
            let holds = |window: &RawWindow| {
                node.w > 0
                    && window.x <= node.x
                    && window.y <= node.y
                    && window.x + window.w >= node.x.saturating_add(node.w)
                    && window.y + window.h >= node.y.saturating_add(node.h)
            };
            let by_place = || {
                let around = tree.windows.iter().enumerate().filter(|(_, window)| holds(window));
                around.min_by_key(|(_, window)| i64::from(window.w) * i64::from(window.h)).map(|(index, _)| index)
            };
            by_title.or_else(by_place).and_then(|index| u16::try_from(index).ok())
        });
        frames.push(found);
    }
    for (node, frame) in tree.nodes.iter_mut().zip(frames) {
        node.window = node.window.or(frame);
    }
}
