//! What the worker has done for one waypoint, and whether it may do it again.
//!
//! Input that was sent whole is not sent again, unless doing it twice is the same as doing it once, or the screen looks
//! exactly as it did before: then it had no effect. What a person answered for, and a program that was started, is
//! never sent twice. Where none of this allows another go, the worker waits for the result and then asks.

use std::sync::Arc;

use mz_desktop::Frame;
use mz_protocol::{Action, Scene, TypedText, Verb, Waypoint};
use mz_scene::same_pixels;

use crate::dispatch::Sent;
use crate::reflex::Progress;

/// A desktop as it looked at one moment.
#[derive(Debug, Clone)]
pub struct Sight {
    pub frame: Arc<Frame>,
    pub scene: Arc<Scene>,
}

impl Sight {
    pub fn is_same(&self, other: &Self) -> bool {
        let (a, b) = (&*self.scene, &*other.scene);
        a.windows == b.windows
            && a.elements == b.elements
            && a.focus == b.focus
            && same_pixels(&self.frame.pixels, &other.frame.pixels)
    }
}

/// One action on its way to the desktop.
#[derive(Debug, Clone)]
pub struct Given {
    pub sent: Sent,
    /// A person wrote another text in its place.
    pub edited: bool,
    /// A person answered for it, by an approval or a grant.
    pub answered: bool,
    /// Right before it.
    pub before: Sight,
}

/// How to go on with a waypoint that was not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// From its beginning: nothing was done that counts.
    Afresh,
    /// From where it stands: what was sent stays sent.
    GoOn,
    /// A person sees to it that it is done, and the worker goes on behind it.
    Ask { why: String },
}

#[derive(Debug)]
pub struct Effort {
    pub progress: Progress,
    /// Inputs of persons on this desktop that are known of.
    driven: u64,
    telling: Option<Telling>,
}

/// The first input that may not be sent twice unseen.
#[derive(Debug)]
struct Telling {
    before: Sight,
    /// Never again, whatever the screen shows.
    once: bool,
    /// It was cut, and may have been sent or not.
    unsure: bool,
}

impl Effort {
    pub fn begin(windows: Vec<String>, driven: u64) -> Self {
        Self { progress: Progress { windows, ..Progress::default() }, driven, telling: None }
    }

    /// Whether a person has driven meanwhile: the focus and half a word may be theirs now.
    pub fn interrupted(&mut self, driven: u64) -> bool {
        let interrupted = std::mem::replace(&mut self.driven, driven) != driven;
        if interrupted
            && self.progress.typed > 0
            && let Some(telling) = &mut self.telling
        {
            telling.unsure = true;
        }
        interrupted
    }

    /// Takes down what was sent. False where it cannot be said how far it came.
    pub fn note(&mut self, waypoint: &Waypoint, action: &Action, given: Given) -> bool {
        let letters = !given.edited && matches!(action, Action::Type { text: TypedText::Plain(_) });
        let starts = matches!(action, Action::Launch { .. });
        let (sent, sure) = match given.sent {
            Sent::Whole => {
                self.progress.stage += 1;
                self.progress.typed = 0;
                (true, true)
            }
            Sent::Cut { typed } => {
                self.progress.typed += typed;
                // Letters are counted, and a program is started or not; of a click it is not known.
                (typed > 0 || !(letters || starts), letters || starts)
            }
        };
        if sent && !repeats_harmlessly(waypoint, action) {
            let once = given.answered || starts;
            let telling = self.telling.get_or_insert(Telling { before: given.before, once, unsure: false });
            telling.once |= once;
            telling.unsure |= !sure;
        }
        sure
    }

    /// What the screen must look like for another go from the beginning; none where that is settled without it.
    pub fn untouched(&self) -> Option<&Sight> {
        self.telling.as_ref().filter(|telling| !telling.once).map(|telling| &telling.before)
    }

    /// The rule. `as_before`: the screen looks as `untouched` does.
    pub fn again(&mut self, waypoint: &Waypoint, as_before: bool) -> Again {
        let Some(telling) = &mut self.telling else { return Again::Afresh };
        if as_before && !telling.once {
            return Again::Afresh;
        }
        if std::mem::take(&mut telling.unsure) {
            if waypoint.postcondition.is_none() {
                let why = format!(
                    "I was stopped in the middle of \u{201c}{}\u{201d} and cannot see whether it was done. Please see to it \
                     that it is, then let me go on: I continue with what comes after it.",
                    waypoint.step.text
                );
                return Again::Ask { why };
            }
            self.progress.stage += 1;
        }
        Again::GoOn
    }
}

/// Whether doing this twice leaves the same as doing it once.
fn repeats_harmlessly(waypoint: &Waypoint, action: &Action) -> bool {
    match (&waypoint.verb, action) {
        (_, Action::Move { .. } | Action::Scroll { .. } | Action::Wait { .. }) => true,
        // It replaces what it wrote, as long as it does not leave the field.
        (Verb::Type { replace: true, .. }, Action::Type { text: TypedText::Plain(text) }) => {
            waypoint.target.is_some() && !text.contains(['\n', '\t'])
        }
        // The cursor is brought there, and what is there marked.
        (Verb::Type { .. }, Action::Click { .. } | Action::Key { .. }) => true,
        // It is looked first whether it is selected.
        (Verb::Select, Action::Click { .. }) => true,
        _ => false,
    }
}
