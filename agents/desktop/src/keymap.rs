//! Which key of the X server's keyboard gives which letter, and spare keys for letters that none gives.

use std::collections::VecDeque;

use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt, Keycode, Keysym};

use crate::error::DesktopError;
use crate::screen::Display;

/// `Shift_L`
pub(crate) const SHIFT: Keysym = 0xffe1;

/// A key, and whether Shift is held with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyPlace {
    pub code: Keycode,
    pub shift: bool,
}

pub(crate) struct Keymap {
    first: Keycode,
    per_code: usize,
    keysyms: Vec<Keysym>,
    /// Keys that give nothing, the one longest unused first, with the keysym that was lent to it. A letter keeps
    /// its spare key as long as possible: programs read the map late, after the key event.
    spare: VecDeque<(Keycode, Option<Keysym>)>,
}

impl Keymap {
    pub fn read(display: &Display) -> Result<Self, DesktopError> {
        let (first, last) = (display.setup().min_keycode, display.setup().max_keycode);
        let reply = display
            .get_keyboard_mapping(first, last - first + 1)
            .map_err(|error| DesktopError::display("asking for the keyboard", error))?
            .reply()
            .map_err(|error| DesktopError::display("asking for the keyboard", error))?;
        let per_code = usize::from(reply.keysyms_per_keycode).max(1);
        let spare = reply
            .keysyms
            .chunks(per_code)
            .enumerate()
            .filter(|(_, keysyms)| keysyms.iter().all(|keysym| *keysym == 0))
            .map(|(index, _)| (first + index as u8, None))
            .collect();
        Ok(Self { first, per_code, keysyms: reply.keysyms, spare })
    }

    /// The key for this keysym; lends it a spare one where there is none.
    pub fn place(&mut self, display: &Display, keysym: Keysym) -> Result<KeyPlace, DesktopError> {
        if let Some(place) = self.native(keysym) {
            return Ok(place);
        }
        if let Some(at) = self.spare.iter().position(|(_, lent)| *lent == Some(keysym)) {
            // Used now: it goes to the end of the queue.
            if let Some(entry) = self.spare.remove(at) {
                self.spare.push_back(entry);
                return Ok(KeyPlace { code: entry.0, shift: false });
            }
        }
        let Some((code, _)) = self.spare.pop_front() else {
            return Err(DesktopError::Display(format!("the keyboard has no spare key for keysym {keysym:#x}")));
        };
        self.spare.push_back((code, Some(keysym)));
        // The same at both levels, so that a held Shift does not matter.
        display
            .change_keyboard_mapping(1, code, 2, &[keysym, keysym])
            .map_err(|error| DesktopError::display("lending a key", error))?
            .check()
            .map_err(|error| DesktopError::display("lending a key", error))?;
        Ok(KeyPlace { code, shift: false })
    }

    fn native(&self, keysym: Keysym) -> Option<KeyPlace> {
        // Without Shift first, over all keys: some keysyms are on several.
        [0, 1].into_iter().filter(|level| *level < self.per_code).find_map(|level| {
            let index = self.keysyms.chunks(self.per_code).position(|keysyms| keysyms.get(level) == Some(&keysym))?;
            Some(KeyPlace { code: self.first + index as u8, shift: level == 1 })
        })
    }
}

/// The keysym that types this character.
pub(crate) fn keysym_of(letter: char) -> Option<Keysym> {
    Some(match letter {
        '\n' | '\r' => 0xff0d,
        '\t' => 0xff09,
        '\u{8}' => 0xff08,
        ' '..='~' | '\u{a0}'..='\u{ff}' => letter as u32,
        letter if letter.is_control() => return None,
        letter => 0x0100_0000 | letter as u32,
    })
}
