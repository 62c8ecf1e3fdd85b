//! The only way to put input into a desktop.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mz_protocol::{Button, Point, Size};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{self, ConnectionExt as _, Window};
use x11rb::protocol::xtest;

use crate::error::DesktopError;
use crate::feed::{Frame, FrameFeed, TileSet};
use crate::keymap::{Keymap, SHIFT, keysym_of};
use crate::screen::{Display, DisplayAddress, Screen};
use crate::witness::Witness;

/// The smallest piece of input: a stop falls between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atom {
    Move(Point),
    Button {
        button: Button,
        down: bool,
    },
    /// One notch: each of the two is -1, 0 or 1; positive is right and down.
    Wheel {
        dx: i8,
        dy: i8,
    },
    /// A key by its X keysym.
    Key {
        keysym: u32,
        down: bool,
    },
    /// Pressed and released, whether the keyboard has such a key or not.
    Char(char),
}

/// The hand on one desktop's mouse and keyboard. There is one for each desktop, and it cannot be copied: whoever
/// owns it decides what is done there. All is let go when it is dropped.
pub struct Hand {
    address: DisplayAddress,
    display: Display,
    root: Window,
    size: Size,
    keymap: Keymap,
    screen: Mutex<Screen>,
    feed: FrameFeed,
    /// Keys and buttons that are down, in the order of pressing.
    down: Vec<(u8, u8)>,
    /// The X server serves nobody else.
    holds: bool,
}

impl Hand {
    pub(crate) fn new(address: &DisplayAddress, size: Size, feed: FrameFeed) -> Result<Self, DesktopError> {
        let display = address.connect()?;
        xtest::get_version(&display, 2, 2)
            .map_err(|error| DesktopError::display("asking for XTEST", error))?
            .reply()
            .map_err(|error| DesktopError::display("asking for XTEST", error))?;
        let keymap = Keymap::read(&display)?;
        let screen = Mutex::new(Screen::attach(&display, size)?);
        let root = display.setup().roots[0].root;
        Ok(Self { address: address.clone(), display, root, size, keymap, screen, feed, down: Vec::new(), holds: false })
    }

    /// Does it; it is with the X server when this returns.
    pub fn send(&mut self, atom: &Atom) -> Result<(), DesktopError> {
        match *atom {
            Atom::Move(point) => {
                let (x, y) = (point.x.min(self.size.width - 1), point.y.min(self.size.height - 1));
                self.fake(xproto::MOTION_NOTIFY_EVENT, 0, x as i16, y as i16)?;
            }
            Atom::Button { button, down } => {
                let number = match button {
                    Button::Left => 1,
                    Button::Middle => 2,
                    Button::Right => 3,
                };
                self.press(if down { xproto::BUTTON_PRESS_EVENT } else { xproto::BUTTON_RELEASE_EVENT }, number)?;
            }
            Atom::Wheel { dx, dy } => {
                let across = [(dy < 0, 4), (dy > 0, 5), (dx < 0, 6), (dx > 0, 7)];
                for (_, number) in across.into_iter().filter(|(wanted, _)| *wanted) {
                    self.press(xproto::BUTTON_PRESS_EVENT, number)?;
                    self.press(xproto::BUTTON_RELEASE_EVENT, number)?;
                }
            }
            Atom::Key { keysym, down } => {
                let code = self.keymap.place(&self.display, keysym)?.code;
                self.press(if down { xproto::KEY_PRESS_EVENT } else { xproto::KEY_RELEASE_EVENT }, code)?;
            }
            Atom::Char(letter) => self.letter(letter)?,
        }
        if !matches!(atom, Atom::Move(_)) {
            self.let_screen_go();
        }
        self.finish()
    }

    /// The X server serves this hand alone until its next press: what programs have asked for before a freeze cannot
    /// change the screen between a look at it and the input. To be held for milliseconds; live pictures wait too.
    pub fn hold_screen(&mut self) -> Result<(), DesktopError> {
        self.display.grab_server().map_err(|error| DesktopError::display("holding the screen still", error))?;
        self.holds = true;
        self.finish()
    }

    pub fn let_screen_go(&mut self) {
        if std::mem::take(&mut self.holds) {
            // A dead X server holds nothing.
            let _ = self.display.ungrab_server();
            let _ = self.display.flush();
        }
    }

    /// Somebody who sees what this hand does.
    pub fn witness(&self) -> Result<Witness, DesktopError> {
        Witness::new(&self.address)
    }

    /// Lets go of every key and button.
    pub fn release_all(&mut self) {
        for (kind, code) in std::mem::take(&mut self.down).into_iter().rev() {
            // A dead X server has let go already.
            let _ = self.fake(kind + 1, code, 0, 0);
        }
        let _ = self.finish();
    }

    /// A fresh picture; also of a frozen desktop. Its number is that of the feed's newest frame.
    pub fn screenshot(&self) -> Result<Frame, DesktopError> {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.capture(&self.display, self.size.rect())?;
        let captured = now_us();
        let latest = self.feed.latest();
        let pixels = screen.pixels_or(&latest.pixels);
        Ok(Frame { seq: latest.seq, captured, size: self.size, pixels, changed: Vec::new() })
    }

    /// How long the feed's look takes when all of the screen is captured and compared. For benchmarks.
    pub fn measure_look(&self, previous: &Frame) -> Result<Duration, DesktopError> {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = TileSet::empty(screen.grid());
        let begun = Instant::now();
        screen.capture_changes(&self.display, self.size.rect(), &previous.pixels, &mut changed)?;
        Ok(begun.elapsed())
    }

    fn letter(&mut self, letter: char) -> Result<(), DesktopError> {
        let keysym = keysym_of(letter).ok_or(DesktopError::Untypable(letter))?;
        let place = self.keymap.place(&self.display, keysym)?;
        let shift = if place.shift { Some(self.keymap.place(&self.display, SHIFT)?.code) } else { None };
        if let Some(code) = shift {
            self.press(xproto::KEY_PRESS_EVENT, code)?;
        }
        self.press(xproto::KEY_PRESS_EVENT, place.code)?;
        self.press(xproto::KEY_RELEASE_EVENT, place.code)?;
        match shift {
            Some(code) => self.press(xproto::KEY_RELEASE_EVENT, code),
            None => Ok(()),
        }
    }

    fn press(&mut self, kind: u8, code: u8) -> Result<(), DesktopError> {
        match kind {
            xproto::KEY_PRESS_EVENT | xproto::BUTTON_PRESS_EVENT => self.down.push((kind, code)),
            // The release event of either kind is one above its press event.
            _ => self.down.retain(|entry| *entry != (kind - 1, code)),
        }
        self.fake(kind, code, 0, 0)
    }

    fn fake(&self, kind: u8, detail: u8, x: i16, y: i16) -> Result<(), DesktopError> {
        xtest::fake_input(&self.display, kind, detail, 0, self.root, x, y, 0)
            .map(|_| ())
            .map_err(|error| DesktopError::display("putting in input", error))
    }

    /// Waits for the X server's answer, so that what was sent has been done, and drops what it said meanwhile.
    fn finish(&self) -> Result<(), DesktopError> {
        self.display
            .get_input_focus()
            .map_err(|error| DesktopError::display("putting in input", error))?
            .reply()
            .map_err(|error| DesktopError::display("putting in input", error))?;
        while let Ok(Some(_)) = self.display.poll_for_event() {}
        Ok(())
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.let_screen_go();
        if !self.down.is_empty() {
            self.release_all();
        }
    }
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_micros() as u64)
}
