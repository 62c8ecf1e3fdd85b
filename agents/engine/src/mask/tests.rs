use mz_protocol::Timestamp;
use mz_scene::{RawNode, RawWindow, SceneBuilder};

use super::*;

const SIZE: Size = Size { width: 200, height: 100 };
const FIELD: Rect = Rect { x: 20, y: 20, width: 60, height: 12 };

fn field(path: &str, place: Rect) -> RawNode {
    RawNode {
        path: path.to_owned(),
        role: "password text".to_owned(),
        states: vec!["showing".to_owned()],
        x: i32::from(place.x),
        y: i32::from(place.y),
        w: i32::from(place.width),
        h: i32::from(place.height),
        window: Some(0),
        ..RawNode::default()
    }
}

fn tree(nodes: Vec<RawNode>) -> RawTree {
    let window = RawWindow { title: "Log in".to_owned(), w: 200, h: 100, active: true, ..RawWindow::default() };
    RawTree { windows: vec![window], nodes, ..RawTree::default() }
}

fn frame() -> Arc<Frame> {
    Arc::new(Frame { seq: 1, captured: 0, size: SIZE, pixels: vec![9; SIZE.pixels() * 4].into(), changed: Vec::new() })
}

fn hidden(mask: &Mask, x: u16, y: u16) -> bool {
    let shown = mask.cover(&frame());
    let at = (usize::from(y) * usize::from(SIZE.width) + usize::from(x)) * 4;
    shown.pixels[at..at + 4] == COLOUR
}

fn typed(place: Rect) -> Mask {
    let mask = Mask::default();
    mask.hide(&Secret::new("tulip-7431".to_owned()), place);
    mask
}

#[test]
fn with_nothing_to_hide_no_picture_is_copied() {
    let (mask, frame) = (Mask::default(), frame());
    assert!(Arc::ptr_eq(&mask.cover(&frame), &frame));
    mask.hide(&Secret::new("tulip-7431".to_owned()), FIELD);
    let shown = mask.cover(&frame);
    assert!(!Arc::ptr_eq(&shown, &frame) && shown.pixels != frame.pixels);
    assert!(hidden(&mask, 20, 20) && hidden(&mask, 79, 31) && !hidden(&mask, 100, 20) && !hidden(&mask, 20, 60));
}

#[test]
fn the_box_follows_its_element() {
    let (mask, mut scenes) = (typed(FIELD), SceneBuilder::new(SIZE));
    let mut look = |nodes: Vec<RawNode>| {
        mask.follow(&scenes.update(&tree(nodes), Timestamp(0)));
        mask.lock().left.clear();
    };
    look(vec![field("a", FIELD)]);
    assert!(hidden(&mask, 50, 25));
    look(vec![field("a", Rect { y: 70, ..FIELD })]);
    assert!(hidden(&mask, 50, 75) && !hidden(&mask, 50, 25));
    look(Vec::new());
    assert!(!hidden(&mask, 50, 75), "it is seen to be gone");
    look(vec![field("a", FIELD)]);
    assert!(hidden(&mask, 50, 25), "it came back");
    // Un-hidden, it is another object at the same place.
    let shown =
        RawNode { role: "entry".to_owned(), states: ["showing", "editable"].map(str::to_owned).to_vec(), ..field("b", FIELD) };
    look(vec![shown]);
    assert!(hidden(&mask, 50, 25));
}

#[test]
fn a_moved_box_stands_for_the_pictures_that_lag() {
    let (mask, mut scenes) = (typed(FIELD), SceneBuilder::new(SIZE));
    mask.follow(&scenes.update(&tree(vec![field("a", FIELD)]), Timestamp(0)));
    mask.follow(&scenes.update(&tree(vec![field("a", Rect { y: 70, ..FIELD })]), Timestamp(0)));
    assert!(hidden(&mask, 50, 25) && hidden(&mask, 50, 75));
}

#[test]
fn on_doubt_it_stands() {
    let (mask, mut scenes) = (typed(FIELD), SceneBuilder::new(SIZE));
    let mut look = |tree: RawTree| {
        mask.follow(&scenes.update(&tree, Timestamp(0)));
        mask.lock().left.clear();
    };
    look(tree(Vec::new()));
    assert!(hidden(&mask, 50, 25), "no element is known, and the window is there");
    look(tree(vec![field("a", FIELD)]));
    look(RawTree { truncated: true, ..tree(Vec::new()) });
    assert!(hidden(&mask, 50, 25), "a program did not answer");
    look(RawTree::default());
    assert!(!hidden(&mask, 50, 25));
}

#[test]
fn no_text_holds_the_secret() {
    let mask = typed(FIELD);
    let mut node = field("a", Rect { y: 70, ..FIELD });
    node.name = "is tulip-7431, tulip-7431".to_owned();
    node.value = Some("tulip\u{fffc}-7431".to_owned());
    node.labelled_by = Some("tulip-7431".to_owned());
    let other = RawNode { name: "Tulips".to_owned(), ..field("b", FIELD) };
    let mut tree = tree(vec![node, other]);
    tree.windows[0].title = "tulip-7431 - Browser".to_owned();
    mask.scrub(&mut tree, SIZE);
    let node = &tree.nodes[0];
    assert_eq!((node.name.as_str(), node.value.as_deref()), ("is ••••, ••••", Some(DOTS)));
    assert_eq!((node.labelled_by.as_deref(), tree.windows[0].title.as_str()), (Some(DOTS), "•••• - Browser"));
    assert_eq!(tree.nodes[1].name, "Tulips");
    assert!(hidden(&mask, 50, 75), "where it stood as text");
}

#[test]
fn too_short_to_be_looked_for() {
    let mask = Mask::default();
    mask.hide(&Secret::new("abc".to_owned()), FIELD);
    let mut tree = tree(vec![RawNode { name: "abcdef".to_owned(), ..field("a", FIELD) }]);
    mask.scrub(&mut tree, SIZE);
    assert_eq!(tree.nodes[0].name, "abcdef");
}

#[test]
fn a_reader_gets_the_whole_picture_when_a_box_comes() {
    let mask = Arc::new(Mask::default());
    let (feed, _writer) = FrameFeed::new(SIZE, 0, frame().pixels.clone());
    let mut masked = MaskedFeed::new(feed.clone(), Arc::clone(&mask));
    let first = masked.next(Duration::ZERO).map(|changes| changes.frame.pixels.clone());
    assert_eq!(first, Some(feed.latest().pixels.clone()));
    assert!(masked.next(Duration::ZERO).is_none());
    mask.hide(&Secret::new("tulip-7431".to_owned()), FIELD);
    let second = masked.next(Duration::ZERO);
    assert!(second.is_some_and(|changes| changes.full && Some(&changes.frame.pixels) != first.as_ref()));
}

#[test]
fn all_of_a_long_field_is_covered_from_the_first_letter_on() {
    let (mask, mut scenes) = (Mask::default(), SceneBuilder::new(SIZE));
    mask.follow(&scenes.update(&tree(vec![field("a", FIELD)]), Timestamp(0)));
    // A question looks at the surroundings of one point only.
    mask.hide(&Secret::new("tulip-7431".to_owned()), Rect { width: 20, ..FIELD });
    assert!(hidden(&mask, 25, 25) && hidden(&mask, 75, 25));
}
