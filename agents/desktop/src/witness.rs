//! Sees what input reaches a desktop, as its X server tells it: for benchmarks and tests, which take nobody's word.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xinput::{self, EventMask, XIEventMask};

use crate::error::DesktopError;
use crate::screen::{Display, DisplayAddress, wait_for};

/// In the X Input extension: the pointer and the keyboard that all devices feed.
const ALL_MASTER_DEVICES: u16 = 1;

pub struct Witness {
    display: Display,
}

impl Witness {
    pub(crate) fn new(address: &DisplayAddress) -> Result<Self, DesktopError> {
        let display = address.connect()?;
        let root = display.setup().roots[0].root;
        listen(&display, root).map_err(|error| DesktopError::display("listening for input", error))?;
        Ok(Self { display })
    }

    /// When the next key, button or move was seen; none at the deadline.
    pub fn next(&self, deadline: Duration) -> Result<Option<Instant>, DesktopError> {
        let end = Instant::now() + deadline;
        loop {
            let event = self.display.poll_for_event().map_err(|error| DesktopError::display("listening for input", error))?;
            match event {
                Some(
                    Event::XinputRawKeyPress(_)
                    | Event::XinputRawKeyRelease(_)
                    | Event::XinputRawButtonPress(_)
                    | Event::XinputRawButtonRelease(_)
                    | Event::XinputRawMotion(_),
                ) => return Ok(Some(Instant::now())),
                Some(_) => continue,
                None => {}
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            wait_for(self.display.stream().as_fd(), PollFlags::IN, Some(left))
                .map_err(DesktopError::io("listening for input"))?;
        }
    }
}

fn listen(display: &Display, root: u32) -> Result<(), Box<dyn std::error::Error>> {
    xinput::xi_query_version(display, 2, 2)?.reply()?;
    let mask = XIEventMask::RAW_KEY_PRESS
        | XIEventMask::RAW_KEY_RELEASE
        | XIEventMask::RAW_BUTTON_PRESS
        | XIEventMask::RAW_BUTTON_RELEASE
        | XIEventMask::RAW_MOTION;
    let masks = [EventMask { deviceid: ALL_MASTER_DEVICES, mask: vec![mask] }];
    xinput::xi_select_events(display, root, &masks)?.check()?;
    Ok(())
}
