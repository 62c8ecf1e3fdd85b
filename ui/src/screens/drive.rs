//! A person's hands on a worker's desktop: what happens in the picture goes to the desktop, pixel for pixel.

use egui::{Event, EventFilter, Key, Modifiers, PointerButton, Pos2, Response, Ui};
use mz_protocol::{Action, Button, Chord, Command, LeaseId, Modifiers as Held, Point, TypedText};

use crate::model::Model;
use crate::widgets::desktop::Placed;

/// Pointer motion is sent at most this often, in seconds.
const MOTION_EVERY: f64 = 0.03;
/// Wheel travel of one notch, in points.
const NOTCH: f32 = 40.0;

/// What of a gesture is still open.
#[derive(Debug, Default)]
pub struct Hands {
    pressed: Option<(PointerButton, Point)>,
    moved: Option<(Point, f64)>,
    wheel: egui::Vec2,
}

impl Hands {
    /// Takes this frame's input on the picture and sends it. True while the keyboard belongs to the desktop.
    pub fn forward(&mut self, ui: &Ui, model: &mut Model, lease: &LeaseId, placed: Placed, response: &Response) -> bool {
        if response.clicked() || response.drag_started() || response.secondary_clicked() {
            response.request_focus();
        }
        let keys = response.has_focus();
        if keys {
            let filter = EventFilter { tab: true, horizontal_arrows: true, vertical_arrows: true, escape: true };
            ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
        }
        let over = response.contains_pointer() || self.pressed.is_some();
        let (events, now) = ui.input(|i| (i.events.clone(), i.time));
        let mut actions = Vec::new();
        for event in events {
            match event {
                Event::PointerMoved(at) if over => self.moved_to(at, placed, now, &mut actions),
                Event::PointerButton { pos, button, pressed, modifiers } if over => {
                    self.button(pos, button, pressed, modifiers, placed, &mut actions);
                }
                Event::MouseWheel { delta, unit, .. } if over => self.wheel(ui, delta, unit, placed, &mut actions),
                other if keys => actions.extend(typed(&other)),
                _ => {}
            }
        }
        for action in actions {
            model.send(Command::Drive { lease: lease.clone(), action });
        }
        keys
    }

    fn moved_to(&mut self, at: Pos2, placed: Placed, now: f64, actions: &mut Vec<Action>) {
        let Some(point) = placed.to_desktop(at) else { return };
        let due = self.moved.is_none_or(|(old, then)| old != point && now - then >= MOTION_EVERY);
        if due && self.pressed.is_none() {
            self.moved = Some((point, now));
            actions.push(Action::Move { at: point });
        }
    }

    fn button(
        &mut self,
        at: Pos2,
        button: PointerButton,
        down: bool,
        held: Modifiers,
        placed: Placed,
        actions: &mut Vec<Action>,
    ) {
        let Some(point) = placed.to_desktop(at) else {
            self.pressed = None;
            return;
        };
        if down {
            self.pressed = Some((button, point));
            return;
        }
        let Some((first, from)) = self.pressed.take().filter(|(first, _)| *first == button) else { return };
        let Some(button) = name(first) else { return };
        // Two clicks in a row are a double click for the desktop as well, by its own clock.
        actions.push(if from.distance(point) < 4.0 {
            Action::Click { at: point, button, count: 1, modifiers: held_keys(held) }
        } else {
            Action::Drag { from, to: point, button }
        });
    }

    fn wheel(&mut self, ui: &Ui, delta: egui::Vec2, unit: egui::MouseWheelUnit, placed: Placed, actions: &mut Vec<Action>) {
        let Some(at) = ui.ctx().pointer_latest_pos().and_then(|at| placed.to_desktop(at)) else { return };
        let scale = match unit {
            egui::MouseWheelUnit::Point => 1.0 / NOTCH,
            egui::MouseWheelUnit::Line => 1.0,
            egui::MouseWheelUnit::Page => 8.0,
        };
        self.wheel -= delta * scale;
        let (dx, dy) = (self.wheel.x.trunc(), self.wheel.y.trunc());
        if dx != 0.0 || dy != 0.0 {
            self.wheel -= egui::vec2(dx, dy);
            actions.push(Action::Scroll { at, dx: dx as i16, dy: dy as i16 });
        }
    }
}

fn name(button: PointerButton) -> Option<Button> {
    match button {
        PointerButton::Primary => Some(Button::Left),
        PointerButton::Secondary => Some(Button::Right),
        PointerButton::Middle => Some(Button::Middle),
        PointerButton::Extra1 | PointerButton::Extra2 => None,
    }
}

fn held_keys(held: Modifiers) -> Held {
    let mut keys = Held::empty();
    keys.set(Held::SHIFT, held.shift);
    keys.set(Held::CTRL, held.ctrl);
    keys.set(Held::ALT, held.alt);
    keys
}

/// Letters come as text, the other keys as chords.
fn typed(event: &Event) -> Option<Action> {
    let chord = |text: &str| text.parse::<Chord>().ok().map(|chord| Action::Key { chord });
    match event {
        Event::Text(text) | Event::Paste(text) if !text.is_empty() => {
            Some(Action::Type { text: TypedText::Plain(text.clone()) })
        }
        Event::Copy => chord("Ctrl+c"),
        Event::Cut => chord("Ctrl+x"),
        Event::Key { key, pressed: true, modifiers, .. } => {
            let plain = !modifiers.ctrl && !modifiers.alt;
            let keysym = keysym(*key, plain)?;
            let mut words = String::new();
            for (on, word) in [(modifiers.ctrl, "Ctrl+"), (modifiers.alt, "Alt+"), (modifiers.shift, "Shift+")] {
                if on {
                    words.push_str(word);
                }
            }
            chord(&(words + &keysym))
        }
        _ => None,
    }
}

/// The X name of a key; None for those that come as text.
fn keysym(key: Key, plain: bool) -> Option<String> {
    let name = match key {
        Key::Enter => "Return",
        Key::Escape => "Escape",
        Key::Tab => "Tab",
        Key::Backspace => "BackSpace",
        Key::Delete => "Delete",
        Key::Insert => "Insert",
        Key::Home => "Home",
        Key::End => "End",
        Key::PageUp => "Page_Up",
        Key::PageDown => "Page_Down",
        Key::ArrowUp => "Up",
        Key::ArrowDown => "Down",
        Key::ArrowLeft => "Left",
        Key::ArrowRight => "Right",
        Key::F1 | Key::F2 | Key::F3 | Key::F4 | Key::F5 | Key::F6 | Key::F7 | Key::F8 | Key::F9 | Key::F10 | Key::F11 => {
            key.name()
        }
        _ if plain => return None,
        Key::Space => "space",
        _ => {
            let name = key.name();
            return (name.len() == 1).then(|| name.to_ascii_lowercase());
        }
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: Key, modifiers: Modifiers) -> Event {
        Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers }
    }

    fn shown(event: &Event) -> Option<String> {
        typed(event).map(|action| match action {
            Action::Key { chord } => chord.to_string(),
            Action::Type { text } => text.shown(),
            other => other.verb().to_owned(),
        })
    }

    #[test]
    fn keys_reach_the_desktop_once_each() {
        assert_eq!(shown(&key(Key::A, Modifiers::NONE)), None, "letters come as text");
        assert_eq!(shown(&Event::Text("ä".to_owned())).as_deref(), Some("ä"));
        assert_eq!(shown(&key(Key::S, Modifiers::CTRL)).as_deref(), Some("Ctrl+s"));
        assert_eq!(shown(&key(Key::Tab, Modifiers::SHIFT)).as_deref(), Some("Shift+Tab"));
        assert_eq!(shown(&key(Key::ArrowLeft, Modifiers::NONE)).as_deref(), Some("Left"));
        assert_eq!(shown(&Event::Copy).as_deref(), Some("Ctrl+c"));
    }
}
