//! Keeps typed secrets out of what leaves a desktop: a solid box over them in pictures, dots in text. The engine itself
//! goes on to look at the real pixels.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mz_desktop::{Changes, Frame, FrameFeed};
use mz_gate::Secret;
use mz_protocol::{Element, ElementId, Rect, Scene, Size, States};
use mz_scene::RawTree;

/// A secret with fewer letters is not looked for in text: it would be found everywhere.
const SHORTEST: usize = 4;
const DOTS: &str = "••••";
/// A box stands this long after the reading that moved it, since pictures lag behind.
const LINGER: Duration = Duration::from_millis(500);
/// Around a box, for what a toolkit draws over its own edge.
const MARGIN: u16 = 4;
/// Fields that are remembered; the oldest is forgotten first.
const MOST_FIELDS: usize = 256;
/// BGRX.
const COLOUR: [u8; 4] = [0x40, 0x40, 0x40, 0xff];

/// What one desktop must not show.
#[derive(Debug, Default)]
pub struct Mask(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    secrets: Vec<Secret>,
    /// The newest reading.
    scene: Option<Arc<Scene>>,
    /// Typed here, and no reading has said yet into which element.
    places: Vec<Rect>,
    /// Elements into which a secret was typed. One that is out of sight may come back, so that none is forgotten.
    fields: Vec<(ElementId, Option<Rect>)>,
    /// Where the last reading found a secret as text.
    found: Vec<Rect>,
    /// Boxes that have moved, and until when they stand.
    left: Vec<(Rect, Instant)>,
}

impl Mask {
    /// To be called before the first letter goes to what has the focus within `place`. All of that element is covered.
    pub fn hide(&self, secret: &Secret, place: Rect) {
        let mut state = self.lock();
        let element = state.scene.as_ref().and_then(|scene| scene.element(target(scene, place)?));
        let place = element.map_or(place, |element| element.bounds);
        if !state.secrets.iter().any(|known| known.expose() == secret.expose()) {
            state.secrets.push(secret.clone());
        }
        if !state.places.contains(&place) {
            state.places.push(place);
        }
    }

    /// Replaces every secret in a reading by dots, before anybody reads it, and remembers where they stood.
    pub fn scrub(&self, tree: &mut RawTree, size: Size) {
        let mut state = self.lock();
        if state.secrets.is_empty() {
            return;
        }
        let mut found = Vec::new();
        for node in &mut tree.nodes {
            let texts = [Some(&mut node.name), node.value.as_mut(), node.labelled_by.as_mut()];
            // All of them, so that none is left out once one was found.
            if texts.into_iter().flatten().filter_map(|text| scrubbed(text, &state.secrets)).count() > 0 {
                found.extend(Rect::clipped(node.x, node.y, node.w, node.h, size));
            }
        }
        for window in &mut tree.windows {
            scrubbed(&mut window.title, &state.secrets);
            scrubbed(&mut window.application, &state.secrets);
        }
        let old = std::mem::replace(&mut state.found, found);
        state.linger(old);
    }

    /// Follows the fields to where a reading shows them.
    pub fn follow(&self, scene: &Arc<Scene>) {
        let mut state = self.lock();
        state.scene = Some(Arc::clone(scene));
        if state.secrets.is_empty() {
            return;
        }
        let mut old = Vec::new();
        for place in std::mem::take(&mut state.places) {
            match holder(scene, place) {
                Some(id) => state.remember(id, Some(place)),
                None if scene.truncated || scene.windows.iter().any(|w| w.bounds.intersection(place).is_some()) => {
                    state.places.push(place);
                    continue;
                }
                None => {}
            }
            old.push(place);
        }
        let mut successors = Vec::new();
        for (id, bounds) in &mut state.fields {
            let now = scene.element(*id).map(|element| element.bounds);
            let Some(before) = bounds.filter(|before| now != Some(*before)) else {
                *bounds = now;
                continue;
            };
            if now.is_none() {
                // Programs make a new object for a field that is un-hidden: it stands where the old one stood.
                match editable(scene, before) {
                    Some(successor) => successors.push(successor),
                    None if scene.truncated => continue,
                    None => {}
                }
            }
            old.push(before);
            *bounds = now;
        }
        for id in successors {
            state.remember(id, scene.element(id).map(|element| element.bounds));
        }
        state.linger(old);
    }

    /// A picture that may leave the engine; the same one where nothing is to be hidden.
    pub fn cover(&self, frame: &Arc<Frame>) -> Arc<Frame> {
        painted(frame, &self.boxes(frame.size))
    }

    fn boxes(&self, size: Size) -> Vec<Rect> {
        let mut state = self.lock();
        let now = Instant::now();
        state.left.retain(|(_, until)| *until > now);
        let fields = state.fields.iter().filter_map(|(_, bounds)| *bounds);
        let all = fields.chain(state.places.iter().copied()).chain(state.found.iter().copied());
        let mut boxes: Vec<Rect> = all.chain(state.left.iter().map(|(rect, _)| *rect)).map(|r| r.grown(MARGIN, size)).collect();
        boxes.sort_by_key(|rect| (rect.y, rect.x, rect.width, rect.height));
        boxes.dedup();
        boxes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remember(&mut self, id: ElementId, bounds: Option<Rect>) {
        if self.fields.iter().any(|(known, _)| *known == id) {
            return;
        }
        if self.fields.len() == MOST_FIELDS {
            self.fields.remove(0);
        }
        self.fields.push((id, bounds));
    }

    fn linger(&mut self, boxes: Vec<Rect>) {
        let until = Instant::now() + LINGER;
        self.left.extend(boxes.into_iter().map(|rect| (rect, until)));
    }
}

/// The pictures of a desktop as people and disks get them.
pub struct MaskedFeed {
    feed: FrameFeed,
    mask: Arc<Mask>,
    seen: u64,
    boxes: Vec<Rect>,
}

impl MaskedFeed {
    pub fn new(feed: FrameFeed, mask: Arc<Mask>) -> Self {
        Self { feed, mask, seen: 0, boxes: Vec::new() }
    }

    pub fn ended(&self) -> bool {
        self.feed.ended()
    }

    /// The next picture comes whole.
    pub fn restart(&mut self) {
        self.seen = 0;
    }

    /// What changed since the last call; none at the deadline or when the feed has ended.
    pub fn next(&mut self, deadline: Duration) -> Option<Changes> {
        let newer = self.feed.wait_newer(self.seen, deadline).is_some();
        let mut changes = self.feed.changes_since(self.seen);
        let boxes = self.mask.boxes(changes.frame.size);
        let moved = boxes != self.boxes;
        if !newer && !moved {
            return None;
        }
        self.seen = changes.frame.seq;
        changes.full |= moved;
        changes.frame = painted(&changes.frame, &boxes);
        self.boxes = boxes;
        Some(changes)
    }
}

/// The element that a secret typed into `place` went to.
fn holder(scene: &Scene, place: Rect) -> Option<ElementId> {
    editable(scene, place).or_else(|| {
        let focus = scene.element(scene.focus?)?;
        focus.bounds.intersection(place).map(|_| focus.id)
    })
}

/// The element into which letters go that are aimed at `place`, which may be a part of it.
fn target(scene: &Scene, place: Rect) -> Option<ElementId> {
    fields(scene, place).min_by_key(|element| element.bounds.area()).map(|element| element.id).or(scene.focus)
}

/// The field that covers at least half of a place and is no more than twice as large.
fn editable(scene: &Scene, place: Rect) -> Option<ElementId> {
    fields(scene, place)
        .filter(|element| element.bounds.area() <= place.area() * 2)
        .max_by_key(|element| shared(element.bounds, place))
        .map(|element| element.id)
}

fn fields(scene: &Scene, place: Rect) -> impl Iterator<Item = &Element> {
    let fields = scene.elements.iter().filter(|element| element.states.intersects(States::EDITABLE | States::SECRET));
    fields.filter(move |element| shared(element.bounds, place) * 2 >= place.area())
}

fn shared(bounds: Rect, place: Rect) -> u32 {
    bounds.intersection(place).map_or(0, Rect::area)
}

/// Some where a secret was in it.
fn scrubbed(text: &mut String, secrets: &[Secret]) -> Option<()> {
    let mut found = None;
    for secret in secrets.iter().map(Secret::expose).filter(|secret| secret.chars().count() >= SHORTEST) {
        // Placeholders of embedded objects are dropped later: a secret must not come together then.
        if text.contains('\u{fffc}') && text.replace('\u{fffc}', "").contains(secret) {
            text.retain(|letter| letter != '\u{fffc}');
        }
        if text.contains(secret) {
            *text = text.replace(secret, DOTS);
            found = Some(());
        }
    }
    found
}

fn painted(frame: &Arc<Frame>, boxes: &[Rect]) -> Arc<Frame> {
    if boxes.is_empty() {
        return Arc::clone(frame);
    }
    let mut pixels: Arc<[u8]> = Arc::from(&frame.pixels[..]);
    let stride = usize::from(frame.size.width) * 4;
    if let Some(pixels) = Arc::get_mut(&mut pixels) {
        for rect in boxes.iter().filter_map(|rect| rect.intersection(frame.size.rect())) {
            for y in rect.y..rect.bottom() {
                let from = usize::from(y) * stride + usize::from(rect.x) * 4;
                pixels[from..from + usize::from(rect.width) * 4].as_chunks_mut::<4>().0.fill(COLOUR);
            }
        }
    }
    Arc::new(Frame { pixels, ..Frame::clone(frame) })
}

#[cfg(test)]
mod tests;
