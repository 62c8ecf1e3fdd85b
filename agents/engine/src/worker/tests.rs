//! The loop with the real rules on a scripted desktop: what is sent once, and what is sent again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mz_company::Seen;
use mz_desktop::Frame;
use mz_protocol::{
    Action, DepartmentId, Millis, ProcedureId, Risk, Role, Scene, Size, StepRef, Target, Timestamp, TypedText, WorkOrderId,
    WorkerId,
};
use mz_scene::{RawNode, RawTree, RawWindow, SceneBuilder, holds};

use super::*;
use crate::dispatch::Sent;
use crate::effort::{Given, Sight};
use crate::reflex::{Intent, Rules};
use crate::workplace::Patience;

/// What an action does to the desktop.
type Answer = Box<dyn FnMut(&Action, &mut Screen) -> Sent>;

#[derive(Default)]
struct Screen {
    tree: RawTree,
    /// The colour of its one pixel.
    shade: u8,
}

impl Screen {
    fn text(&mut self, text: &str) {
        self.tree.nodes.push(node("label", text, 300));
        self.shade += 1;
    }
}

/// Time goes by in waits: each changes nothing but what `later` says.
struct Scripted {
    screen: RefCell<Screen>,
    scenes: SceneBuilder,
    answer: Answer,
    /// How many looks go by until this is shown.
    later: Option<(u32, &'static str)>,
    answered: bool,
    /// Persons put something in after each action.
    persons: bool,
    /// A person's answer to the first question; the second one ends the order.
    help: Option<&'static str>,
    sent: Vec<Action>,
    questions: Vec<String>,
    events: RefCell<Vec<EventBody>>,
}

impl Scripted {
    fn new(answer: impl FnMut(&Action, &mut Screen) -> Sent + 'static) -> Self {
        let window = RawWindow {
            title: "Shop".into(),
            application: "Shop".into(),
            w: 1280,
            h: 800,
            active: true,
            ..RawWindow::default()
        };
        let tree = RawTree {
            windows: vec![window],
            nodes: vec![node("push button", "Send", 100), node("entry", "Name", 200)],
            ..RawTree::default()
        };
        Self {
            screen: RefCell::new(Screen { tree, shade: 0 }),
            scenes: SceneBuilder::new(Size::DESKTOP),
            answer: Box::new(answer),
            later: None,
            answered: false,
            persons: false,
            help: None,
            sent: Vec::new(),
            questions: Vec::new(),
            events: RefCell::default(),
        }
    }

    fn work(&mut self, waypoint: &Waypoint) -> Ended {
        let order = WorkOrder {
            id: WorkOrderId::new("WO-0001").unwrap(),
            title: String::new(),
            department: DepartmentId::new("d").unwrap(),
            objective: None,
            owner: None,
            procedure: ProcedureId::new("p").unwrap(),
            inputs: BTreeMap::new(),
            files: Vec::new(),
            depends_on: Vec::new(),
            due: None,
            check: String::new(),
            created: Timestamp(0),
        };
        work(self, &order, &mut One(Some(waypoint.clone())), &mut Rules::default())
    }

    fn retries(&self) -> usize {
        let is_retry = |event: &&EventBody| matches!(event, EventBody::StepEnded { result: StepResult::Retried { .. }, .. });
        self.events.borrow().iter().filter(is_retry).count()
    }
}

impl Workplace for Scripted {
    fn worker(&self) -> WorkerId {
        WorkerId::new("w").unwrap()
    }

    fn safe_point(&mut self) -> Result<(), Ended> {
        Ok(())
    }

    fn look(&mut self) -> Result<Arc<Scene>, Ended> {
        Ok(self.scenes.update(&self.screen.borrow().tree, Timestamp(0)))
    }

    fn picture(&self) -> Arc<Frame> {
        let shade = self.screen.borrow().shade;
        let size = Size { width: 1, height: 1 };
        Arc::new(Frame { seq: 1, captured: 0, size, pixels: Arc::from([shade, 0, 0, 0]), changed: Vec::new() })
    }

    fn holds(&self, scene: &Scene, condition: &Condition) -> bool {
        holds(scene, condition, &|_: &str| false)
    }

    fn patience(&self, _: &Waypoint) -> Patience {
        Patience::new(Duration::from_secs(60), 1)
    }

    fn wait_for_change(&mut self, _: &mut Patience) -> Result<(), OutOfPatience> {
        if let Some((waits, text)) = self.later.take() {
            match waits {
                0 => {
                    self.screen.borrow_mut().text(text);
                    return Ok(());
                }
                waits => self.later = Some((waits - 1, text)),
            }
        }
        Err(OutOfPatience)
    }

    fn dispatch(&mut self, _: &Waypoint, intent: Intent, scene: &Arc<Scene>) -> Result<Given, Missed> {
        let before = Sight { frame: self.picture(), scene: Arc::clone(scene) };
        self.sent.push(intent.action.clone());
        let sent = (self.answer)(&intent.action, &mut self.screen.borrow_mut());
        Ok(Given { sent, edited: false, answered: self.answered, before })
    }

    fn driven(&self) -> u64 {
        if self.persons { self.sent.len() as u64 } else { 0 }
    }

    fn note(&self, bodies: Vec<EventBody>) -> Result<(), Ended> {
        self.events.borrow_mut().extend(bodies);
        Ok(())
    }

    fn ask_for_help(&mut self, _: &WorkOrder, why: &str) -> Result<(), Ended> {
        self.questions.push(why.to_owned());
        match self.help.take() {
            Some(text) => {
                self.screen.borrow_mut().text(text);
                Ok(())
            }
            None => Err(Ended::Cancelled),
        }
    }
}

struct One(Option<Waypoint>);

impl Director for One {
    fn next(&mut self, _: &dyn Seen) -> Direction {
        self.0.take().map_or(Direction::Finished, |waypoint| Direction::Go(Box::new(waypoint)))
    }

    fn learn(&mut self, _: &str, _: &str) {}

    fn steps(&self) -> Vec<String> {
        Vec::new()
    }
}

fn node(role: &str, name: &str, y: i32) -> RawNode {
    let mut states: Vec<String> = ["showing", "enabled"].map(str::to_owned).to_vec();
    if role == "entry" {
        states.push("editable".into());
    }
    let (path, role, name) = (format!("{role}/{name}"), role.into(), name.into());
    RawNode { path, role, name, states, x: 10, y, w: 100, h: 20, window: Some(0), ..RawNode::default() }
}

/// A step that promises the text "Sent".
fn step(verb: Verb, target: Option<(Role, &str)>) -> Waypoint {
    let target = target.map(|(role, label)| Target { role: Some(role), label: Some(label.into()), ..Target::default() });
    let procedure = ProcedureId::new("p").unwrap();
    let step = StepRef { procedure, line: 1, number: 1, of: 1, text: "the step".into(), turn: None };
    let postcondition = Some(Condition::Text { text: "Sent".into() });
    Waypoint { version: 1, step, verb, target, postcondition, timeout: Millis(1), risk: Risk::Low, reason: None }
}

fn click() -> Waypoint {
    step(Verb::Click, Some((Role::Button, "Send")))
}

fn press() -> Waypoint {
    step(Verb::Press { chord: "Ctrl+S".parse().unwrap() }, None)
}

fn write(text: &str, into: Option<(Role, &str)>, replace: bool) -> Waypoint {
    step(Verb::Type { text: TypedText::Plain(text.into()), replace }, into)
}

const NAME: Option<(Role, &str)> = Some((Role::Textbox, "Name"));

fn changed(_: &Action, screen: &mut Screen) -> Sent {
    screen.shade += 1;
    Sent::Whole
}

#[test]
fn what_had_an_effect_is_not_done_twice() {
    for waypoint in [click(), press(), write("x", None, false), step(Verb::DoubleClick, Some((Role::Button, "Send")))] {
        let mut desk = Scripted::new(changed);
        assert_eq!(desk.work(&waypoint), Ended::Cancelled);
        assert_eq!(desk.sent.len(), 1, "{:?}", desk.sent);
        assert_eq!((desk.retries(), desk.questions.len()), (2, 1), "its result was awaited, then a person asked");
    }
}

#[test]
fn a_change_of_the_elements_is_an_effect_too() {
    let mut desk = Scripted::new(|_, screen| {
        screen.tree.nodes[1].value = Some("x".into());
        Sent::Whole
    });
    assert_eq!(desk.work(&write("x", None, false)), Ended::Cancelled);
    assert_eq!(desk.sent.len(), 1);
}

#[test]
fn what_had_no_effect_is_done_again() {
    for waypoint in [click(), press(), write("x", None, false)] {
        let mut times = 0;
        let mut desk = Scripted::new(move |_, screen| {
            times += 1;
            if times == 2 {
                screen.text("Sent");
            }
            Sent::Whole
        });
        assert_eq!(desk.work(&waypoint), Ended::Finished);
        assert_eq!((desk.sent.len(), desk.questions.len()), (2, 0));
    }
}

#[test]
fn a_late_result_is_awaited() {
    let mut desk = Scripted::new(changed);
    desk.later = Some((1, "Sent"));
    assert_eq!(desk.work(&click()), Ended::Finished);
    assert_eq!((desk.sent.len(), desk.retries(), desk.questions.len()), (1, 1, 0));
}

#[test]
fn what_a_person_answered_for_is_sent_once_even_if_nothing_is_seen_of_it() {
    let mut desk = Scripted::new(|_, _| Sent::Whole);
    desk.answered = true;
    assert_eq!(desk.work(&click()), Ended::Cancelled);
    assert_eq!((desk.sent.len(), desk.questions.len()), (1, 1));
}

#[test]
fn a_program_is_started_once() {
    let mut desk = Scripted::new(|_, _| Sent::Whole);
    let open = step(Verb::Open { program: "Calc".into(), args: Vec::new() }, None);
    assert_eq!(desk.work(&open), Ended::Cancelled);
    assert_eq!(desk.sent.len(), 1);
}

#[test]
fn text_that_replaces_itself_may_be_written_again_and_other_text_may_not() {
    let letters = |desk: &Scripted| desk.sent.iter().filter(|action| matches!(action, Action::Type { .. })).count();
    for (waypoint, times) in [
        (write("Ann", NAME, true), 3),
        (write("Ann", NAME, false), 1),
        (write("Ann\n", NAME, true), 1),
        (write("Ann", None, true), 1),
    ] {
        let mut desk = Scripted::new(changed);
        assert_eq!(desk.work(&waypoint), Ended::Cancelled);
        assert_eq!(letters(&desk), times, "{:?}", waypoint.verb);
    }
}

#[test]
fn after_help_the_step_is_done_unless_the_person_did_it() {
    for (help, sent) in [("Sent", 1), ("Something else", 2)] {
        let mut desk = Scripted::new(changed);
        desk.help = Some(help);
        desk.work(&click());
        assert_eq!(desk.sent.len(), sent, "after {help:?}");
    }
}

#[test]
fn a_click_that_was_cut_is_done_again_only_on_an_untouched_screen() {
    let cut = |touches: bool| {
        let mut times = 0;
        Scripted::new(move |_, screen| {
            times += 1;
            screen.shade += u8::from(touches);
            if times > 1 {
                screen.text("Sent");
                return Sent::Whole;
            }
            Sent::Cut { typed: 0 }
        })
    };
    let mut untouched = cut(false);
    assert_eq!(untouched.work(&click()), Ended::Finished);
    assert_eq!(untouched.sent.len(), 2);
    let mut touched = cut(true);
    assert_eq!(touched.work(&click()), Ended::Cancelled);
    assert_eq!((touched.sent.len(), touched.questions.len()), (1, 1));
    // With nothing promised there is nothing to wait for.
    let mut touched = cut(true);
    assert_eq!(touched.work(&Waypoint { postcondition: None, ..click() }), Ended::Cancelled);
    assert!(touched.questions[0].contains("stopped in the middle"), "{:?}", touched.questions);
}

#[test]
fn a_word_that_was_cut_is_finished_not_begun_again() {
    let mut desk = Scripted::new(|action, screen| {
        let Action::Type { text } = action else { return Sent::Whole };
        screen.shade += 1;
        if text.shown() == "order" {
            return Sent::Cut { typed: 3 };
        }
        screen.text("Sent");
        Sent::Whole
    });
    assert_eq!(desk.work(&write("order", None, false)), Ended::Finished);
    let typed: Vec<String> =
        desk.sent.iter().filter_map(|a| if let Action::Type { text } = a { Some(text.shown()) } else { None }).collect();
    assert_eq!(typed, ["order", "er"]);
}

#[test]
fn a_word_that_a_person_fell_into_is_theirs_to_finish() {
    let cut = || {
        let mut desk = Scripted::new(|action, screen| {
            screen.shade += 1;
            if matches!(action, Action::Type { .. }) { Sent::Cut { typed: 2 } } else { Sent::Whole }
        });
        desk.persons = true;
        desk
    };
    let mut promised = cut();
    assert_eq!(promised.work(&write("1500", None, false)), Ended::Cancelled);
    assert_eq!((promised.sent.len(), promised.questions.len()), (1, 1), "{:?}", promised.sent);
    // With nothing promised the person is asked at once, and the worker goes on behind the step.
    let mut unpromised = cut();
    unpromised.help = Some("finished by hand");
    let step = Waypoint { postcondition: None, ..write("1500", None, false) };
    assert_eq!(unpromised.work(&step), Ended::Finished);
    assert_eq!((unpromised.sent.len(), unpromised.questions.len()), (1, 1), "{:?}", unpromised.sent);
}

#[test]
fn where_a_person_moved_the_focus_the_field_is_clicked_again() {
    let mut desk = Scripted::new(|action, screen| {
        if matches!(action, Action::Type { .. }) {
            screen.text("Sent");
        }
        Sent::Whole
    });
    desk.persons = true;
    desk.work(&write("Ann", NAME, false));
    let clicks = desk.sent.iter().filter(|action| matches!(action, Action::Click { .. })).count();
    let typed = desk.sent.iter().filter(|action| matches!(action, Action::Type { .. })).count();
    assert!(clicks > 1 && typed == 0, "the letters went where a person had driven: {:?}", desk.sent);
}
