//! The one place from which input reaches a desktop. It owns the desktop's hand, takes nothing without the gate's
//! permit, and looks between two letters whether it must stop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mz_desktop::{Atom, Desktop, DesktopError, Frame, Hand, Witness};
use mz_gate::{Permit, PermitKind, SecretError, SecretStore, binding};
use mz_protocol::{Action, Button, Chord, Digest, Modifiers, Point, Rect, TypedText, WorkerId};

use crate::clock;
use crate::keysyms::keysym;
use crate::mask::Mask;
use crate::outside::Outside;

/// Between two letters. Short enough for 200 letters a second, long enough that toolkits keep up.
const LETTER: Duration = Duration::from_millis(4);
/// A drag is drawn in this many moves, so that toolkits see it as one.
const DRAG_MOVES: i32 = 12;
/// The longest single wait that an action may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    #[error("the permit is for another worker, another action or another screen, or too old")]
    WrongPermit,
    #[error("there is no secret called {0:?} in the keyring: add it with `mezzanine secret set {0}`")]
    NoSecret(String),
    #[error("{0:?} is no key that this desktop knows")]
    UnknownKey(String),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Desktop(#[from] DesktopError),
}

/// What became of an action that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    Whole,
    /// A stop or a human fell into it; this many letters had been sent.
    Cut {
        typed: usize,
    },
}

/// An action and the screen that it was judged on.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    pub action: &'a Action,
    pub screen: Digest,
    pub region: Rect,
}

pub struct Dispatcher {
    worker: WorkerId,
    hand: Mutex<Hand>,
    desktop: Arc<dyn Desktop>,
    secrets: Arc<dyn SecretStore>,
    outside: Arc<Outside>,
    mask: Arc<Mask>,
}

impl Dispatcher {
    /// `outside` is where the desktop's broker asks.
    pub fn new(
        worker: WorkerId,
        hand: Hand,
        desktop: Arc<dyn Desktop>,
        secrets: Arc<dyn SecretStore>,
        outside: Arc<Outside>,
    ) -> Self {
        Self { worker, hand: Mutex::new(hand), desktop, secrets, outside, mask: Arc::default() }
    }

    /// Carries one action of the worker out. The permit is used up, whatever happens.
    pub fn send(&self, permit: Permit, judged: Judged<'_>) -> Result<Sent, DispatchError> {
        let agent = matches!(permit.kind(), PermitKind::Agent { .. });
        if !agent || permit.binding() != binding(judged.action, permit.line(), &judged.screen, judged.region) {
            return Err(DispatchError::WrongPermit);
        }
        self.carry_out_with(Arc::new(permit), judged.action, judged.region)
    }

    /// Carries out what the person does who drives.
    pub fn drive(&self, permit: Permit, action: &Action) -> Result<Sent, DispatchError> {
        if !matches!(permit.kind(), PermitKind::Human { .. }) {
            return Err(DispatchError::WrongPermit);
        }
        self.carry_out_with(Arc::new(permit), action, self.desktop.size().rect())
    }

    /// `region` is where a text goes.
    fn carry_out_with(&self, permit: Arc<Permit>, action: &Action, region: Rect) -> Result<Sent, DispatchError> {
        if *permit.worker() != self.worker || permit.is_expired(clock::now()) {
            return Err(DispatchError::WrongPermit);
        }
        let mut hand = self.hand.lock().unwrap_or_else(PoisonError::into_inner);
        self.outside.open(&permit);
        let mut keys = Keys { hand: &mut hand, permit: &permit, atoms: 0 };
        let done = self.carry_out(&mut keys, action, region);
        let typed = keys.atoms;
        if !matches!(done, Ok(true)) {
            self.outside.close();
            hand.release_all();
        }
        match done? {
            true => Ok(Sent::Whole),
            false => Ok(Sent::Cut { typed }),
        }
    }

    /// The screen now, also while the desktop is frozen.
    pub fn screenshot(&self) -> Result<Frame, DesktopError> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner).screenshot()
    }

    /// What must not be shown of this desktop.
    pub(crate) fn mask(&self) -> &Arc<Mask> {
        &self.mask
    }

    /// From here to the first press, or until it is let go, the screen does not change.
    pub fn hold_screen(&self) -> Result<(), DesktopError> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner).hold_screen()
    }

    pub fn let_screen_go(&self) {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner).let_screen_go();
    }

    /// Somebody who sees what input reaches the desktop. Waits while an action is being carried out.
    pub fn witness(&self) -> Result<Witness, DesktopError> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner).witness()
    }

    /// Lets go of every key and button when a human hands back.
    pub fn release_all(&self, permit: &Permit) {
        if *permit.worker() != self.worker {
            return;
        }
        self.hand.lock().unwrap_or_else(PoisonError::into_inner).release_all();
    }

    /// True when all of it was sent.
    fn carry_out(&self, keys: &mut Keys<'_>, action: &Action, region: Rect) -> Result<bool, DispatchError> {
        match action {
            Action::Move { at } => keys.send(&[Atom::Move(*at)]),
            Action::Click { at, button, count, modifiers } => keys.click(*at, *button, *count, *modifiers),
            Action::Drag { from, to, button } => keys.drag(*from, *to, *button),
            Action::Scroll { at, dx, dy } => keys.scroll(*at, *dx, *dy),
            Action::Key { chord } => keys.chord(chord),
            Action::Type { text: TypedText::Plain(text) } => keys.letters(text),
            Action::Type { text: TypedText::Secret(name) } => {
                let secret = self.secrets.get(name)?.ok_or_else(|| DispatchError::NoSecret(name.clone()))?;
                self.mask.hide(&secret, region);
                keys.letters(secret.expose())
            }
            Action::Wait { span } => Ok(keys.pause(Duration::from(*span).min(LONGEST_WAIT))),
            Action::Launch { program, args } => {
                if keys.permit.halted() {
                    return Ok(false);
                }
                self.desktop.launch(program, args)?;
                Ok(true)
            }
        }
    }
}

struct Keys<'a> {
    hand: &'a mut Hand,
    permit: &'a Permit,
    /// Letters sent of a text.
    atoms: usize,
}

impl Keys<'_> {
    fn send(&mut self, atoms: &[Atom]) -> Result<bool, DispatchError> {
        for atom in atoms {
            if self.permit.halted() {
                return Ok(false);
            }
            self.hand.send(atom)?;
        }
        Ok(true)
    }

    fn letters(&mut self, text: &str) -> Result<bool, DispatchError> {
        for letter in text.chars() {
            let atom = match letter {
                '\n' => return_key(true),
                letter => Atom::Char(letter),
            };
            if !self.send(&[atom])? || (letter == '\n' && !self.send(&[return_key(false)])?) {
                return Ok(false);
            }
            self.atoms += 1;
            std::thread::sleep(LETTER);
        }
        Ok(true)
    }

    fn click(&mut self, at: Point, button: Button, count: u8, modifiers: Modifiers) -> Result<bool, DispatchError> {
        let held: Vec<Atom> = held_keys(modifiers, true).collect();
        let mut atoms = vec![Atom::Move(at)];
        atoms.extend(held);
        for _ in 0..count.clamp(1, 3) {
            atoms.extend([Atom::Button { button, down: true }, Atom::Button { button, down: false }]);
        }
        atoms.extend(held_keys(modifiers, false));
        self.send(&atoms)
    }

    /// All of it or, when it is cut, up to some atom; the caller lets go of what is held.
    fn drag(&mut self, from: Point, to: Point, button: Button) -> Result<bool, DispatchError> {
        if !self.send(&[Atom::Move(from), Atom::Button { button, down: true }])? {
            return Ok(false);
        }
        for step in 1..=DRAG_MOVES {
            let along = |a: u16, b: u16| (i32::from(a) + (i32::from(b) - i32::from(a)) * step / DRAG_MOVES) as u16;
            if !self.send(&[Atom::Move(Point::new(along(from.x, to.x), along(from.y, to.y)))])? {
                return Ok(false);
            }
            std::thread::sleep(LETTER);
        }
        self.send(&[Atom::Button { button, down: false }])
    }

    fn scroll(&mut self, at: Point, dx: i16, dy: i16) -> Result<bool, DispatchError> {
        if !self.send(&[Atom::Move(at)])? {
            return Ok(false);
        }
        let notches = usize::from(dx.unsigned_abs().max(dy.unsigned_abs())).min(100);
        let wheel = Atom::Wheel { dx: dx.signum() as i8, dy: dy.signum() as i8 };
        self.send(&vec![wheel; notches])
    }

    fn chord(&mut self, chord: &Chord) -> Result<bool, DispatchError> {
        let keysym = keysym(&chord.key).ok_or_else(|| DispatchError::UnknownKey(chord.key.0.clone()))?;
        let mut atoms: Vec<Atom> = held_keys(chord.modifiers, true).collect();
        atoms.extend([Atom::Key { keysym, down: true }, Atom::Key { keysym, down: false }]);
        atoms.extend(held_keys(chord.modifiers, false));
        self.send(&atoms)
    }

    fn pause(&mut self, span: Duration) -> bool {
        let end = std::time::Instant::now() + span;
        while std::time::Instant::now() < end {
            if self.permit.halted() {
                return false;
            }
            std::thread::sleep(LETTER.min(end.saturating_duration_since(std::time::Instant::now())));
        }
        true
    }
}

fn return_key(down: bool) -> Atom {
    Atom::Key { keysym: 0xff0d, down }
}

fn held_keys(modifiers: Modifiers, down: bool) -> impl Iterator<Item = Atom> {
    // Shift_L, Control_L, Alt_L, Super_L.
    let table = [(Modifiers::SHIFT, 0xffe1), (Modifiers::CTRL, 0xffe3), (Modifiers::ALT, 0xffe9), (Modifiers::SUPER, 0xffeb)];
    table.into_iter().filter(move |(flag, _)| modifiers.contains(*flag)).map(move |(_, keysym)| Atom::Key { keysym, down })
}
