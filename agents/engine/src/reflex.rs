//! From a waypoint and a scene to the next action. `Rules` finds its targets by role, label and position; the
//! fast action model takes its place behind the same trait.

use mz_protocol::{
    Action, Button, Chord, Element, ElementId, Modifiers, Point, Rect, Role, Scene, Target, TypedText, Verb, Waypoint,
};
use mz_scene::{Ground, RuleGround, find, read_text};

/// Where an action is aimed, for policy and for the check of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aim {
    pub element: Option<ElementId>,
    pub role: Option<Role>,
    pub name: String,
    pub point: Point,
    pub region: Rect,
    pub secret: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    pub action: Action,
    pub aim: Option<Aim>,
}

/// What one look leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tick {
    Act(Box<Intent>),
    /// Nothing to do yet; look again when the screen changes.
    Wait {
        for_what: String,
    },
    Done {
        read: Option<(String, String)>,
    },
    Lost {
        why: String,
    },
}

/// How far a waypoint has come. A fresh one starts at stage 0; the worker loop raises the stage with each action that
/// was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    pub stage: u32,
    /// Titles of the windows when the waypoint was begun.
    pub windows: Vec<String>,
    /// Letters that were sent before a stop cut the word.
    pub typed: usize,
}

pub trait Reflex: Send {
    fn tick(&mut self, scene: &Scene, waypoint: &Waypoint, progress: &Progress) -> Tick;

    /// The name under which reports count its actions.
    fn name(&self) -> &'static str;
}

#[derive(Debug, Default)]
pub struct Rules {
    ground: RuleGround,
}

/// Notches of the wheel that `scroll to` turns at most.
const MOST_SCROLLS: u32 = 40;

impl Reflex for Rules {
    fn name(&self) -> &'static str {
        "rules"
    }

    fn tick(&mut self, scene: &Scene, waypoint: &Waypoint, progress: &Progress) -> Tick {
        match (&waypoint.verb, progress.stage) {
            (Verb::Open { program, args }, 0) => act(Action::Launch { program: program.clone(), args: args.clone() }, None),
            (Verb::Open { program, .. }, _) => opened(scene, program, progress),
            (Verb::Click, 0) => self.click(scene, waypoint, Button::Left, 1),
            (Verb::RightClick, 0) => self.click(scene, waypoint, Button::Right, 1),
            (Verb::DoubleClick, 0) => self.click(scene, waypoint, Button::Left, 2),
            (Verb::Select, 0) => self.select(scene, waypoint),
            (Verb::Type { text, replace }, stage) => self.type_text(scene, waypoint, text, *replace, stage, progress.typed),
            (Verb::Press { chord }, 0) => act(Action::Key { chord: chord.clone() }, focus_aim(scene)),
            (Verb::Choose { .. }, 0) => self.click(scene, waypoint, Button::Left, 1),
            (Verb::Choose { option }, 1) => choose(scene, option),
            (Verb::Drag { to }, 0) => self.drag(scene, waypoint, to),
            (Verb::ScrollTo, turned) => self.scroll_to(scene, waypoint, turned),
            (Verb::Read { name }, _) => read(scene, waypoint, name),
            (Verb::WaitUntil | Verb::Check | Verb::Flag { .. }, _) => Tick::Done { read: None },
            _ => Tick::Done { read: None },
        }
    }
}

impl Rules {
    fn aim(&self, scene: &Scene, waypoint: &Waypoint) -> Result<Aim, Tick> {
        match self.ground.ground(scene, waypoint) {
            Ok(grounded) => {
                let element = grounded.element.and_then(|id| scene.element(id));
                Ok(Aim {
                    element: grounded.element,
                    role: element.map(|element| element.role),
                    name: element.map(|element| element.name.clone()).unwrap_or_default(),
                    point: grounded.point,
                    region: grounded.region,
                    secret: element.is_some_and(|element| element.states.contains(mz_protocol::States::SECRET)),
                })
            }
            Err(lost) => Err(Tick::Wait { for_what: lost.why }),
        }
    }

    fn click(&self, scene: &Scene, waypoint: &Waypoint, button: Button, count: u8) -> Tick {
        match self.aim(scene, waypoint) {
            Ok(aim) => act(Action::Click { at: aim.point, button, count, modifiers: Modifiers::empty() }, Some(aim)),
            Err(tick) => tick,
        }
    }

    fn select(&self, scene: &Scene, waypoint: &Waypoint) -> Tick {
        let aim = match self.aim(scene, waypoint) {
            Ok(aim) => aim,
            Err(tick) => return tick,
        };
        let chosen = aim
            .element
            .and_then(|id| scene.element(id))
            .is_some_and(|element| element.states.intersects(mz_protocol::States::CHECKED | mz_protocol::States::SELECTED));
        if chosen { Tick::Done { read: None } } else { self.click(scene, waypoint, Button::Left, 1) }
    }

    fn type_text(&self, scene: &Scene, waypoint: &Waypoint, text: &TypedText, replace: bool, stage: u32, typed: usize) -> Tick {
        let phases: &[TypePhase] = match (waypoint.target.is_some(), replace) {
            (true, true) => &[TypePhase::Click, TypePhase::SelectAll, TypePhase::Letters],
            (true, false) => &[TypePhase::Click, TypePhase::Letters],
            (false, true) => &[TypePhase::SelectAll, TypePhase::Letters],
            (false, false) => &[TypePhase::Letters],
        };
        match phases.get(stage as usize) {
            Some(TypePhase::Click) => self.click(scene, waypoint, Button::Left, 1),
            Some(TypePhase::SelectAll) => act(Action::Key { chord: select_all() }, focus_aim(scene)),
            Some(TypePhase::Letters) => {
                let rest = match text {
                    TypedText::Plain(text) => TypedText::Plain(text.chars().skip(typed).collect()),
                    secret @ TypedText::Secret(_) => secret.clone(),
                };
                let aim = match waypoint.target {
                    Some(_) => self.aim(scene, waypoint).ok().or_else(|| focus_aim(scene)),
                    None => focus_aim(scene),
                };
                act(Action::Type { text: rest }, aim)
            }
            None => Tick::Done { read: None },
        }
    }

    fn drag(&self, scene: &Scene, waypoint: &Waypoint, to: &Target) -> Tick {
        let aim = match self.aim(scene, waypoint) {
            Ok(aim) => aim,
            Err(tick) => return tick,
        };
        match find(scene, to) {
            Ok(end) => act(Action::Drag { from: aim.point, to: end.point, button: Button::Left }, Some(aim)),
            Err(lost) => Tick::Wait { for_what: lost.why },
        }
    }

    fn scroll_to(&self, scene: &Scene, waypoint: &Waypoint, turned: u32) -> Tick {
        match self.aim(scene, waypoint) {
            Ok(_) => Tick::Done { read: None },
            Err(_) if turned < MOST_SCROLLS => {
                let window = scene.active_window().map_or(scene.size.rect(), |window| window.bounds);
                act(Action::Scroll { at: window.center(), dx: 0, dy: 3 }, None)
            }
            Err(Tick::Wait { for_what }) => {
                Tick::Lost { why: format!("{for_what}, although the page was scrolled to its end") }
            }
            Err(other) => other,
        }
    }
}

enum TypePhase {
    Click,
    SelectAll,
    Letters,
}

fn act(action: Action, aim: Option<Aim>) -> Tick {
    Tick::Act(Box::new(Intent { action, aim }))
}

fn select_all() -> Chord {
    Chord { modifiers: Modifiers::CTRL, key: mz_protocol::Key("a".to_owned()) }
}

/// Keys go to the focus: its box, or the active window, is what an approval of them looks at.
pub fn focus_aim(scene: &Scene) -> Option<Aim> {
    let focused: Option<&Element> = scene.focus.and_then(|id| scene.element(id));
    let window = scene.active_window()?;
    let (region, role, name, secret) = match focused {
        Some(element) => (
            element.bounds.intersection(window.bounds).unwrap_or(window.bounds),
            Some(element.role),
            element.name.clone(),
            element.states.contains(mz_protocol::States::SECRET),
        ),
        None => (window.bounds, None, window.title.clone(), false),
    };
    Some(Aim { element: scene.focus, role, name, point: region.center(), region, secret })
}

fn opened(scene: &Scene, program: &str, progress: &Progress) -> Tick {
    let fresh = scene.windows.iter().any(|window| !progress.windows.contains(&window.title));
    if fresh { Tick::Done { read: None } } else { Tick::Wait { for_what: format!("no window of {program} has opened") } }
}

fn choose(scene: &Scene, option: &str) -> Tick {
    for role in [Role::Menuitem, Role::Option, Role::Menu, Role::Treeitem, Role::Cell] {
        let target = Target { role: Some(role), label: Some(option.to_owned()), ..Target::default() };
        if let Ok(found) = find(scene, &target) {
            let aim = Aim {
                element: found.element,
                role: Some(role),
                name: option.to_owned(),
                point: found.point,
                region: found.region,
                secret: false,
            };
            return act(
                Action::Click { at: found.point, button: Button::Left, count: 1, modifiers: Modifiers::empty() },
                Some(aim),
            );
        }
    }
    Tick::Wait { for_what: format!("the list offers no \u{201c}{option}\u{201d}") }
}

fn read(scene: &Scene, waypoint: &Waypoint, name: &str) -> Tick {
    let Some(target) = &waypoint.target else { return Tick::Lost { why: "the step does not say what to read".to_owned() } };
    match read_text(scene, target) {
        Some(text) => Tick::Done { read: Some((name.to_owned(), text.trim().to_owned())) },
        None => Tick::Wait { for_what: format!("there is no text to read as {name}") },
    }
}
