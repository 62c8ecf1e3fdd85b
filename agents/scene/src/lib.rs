//! What is on a desktop's screen: elements with stable ids, digests of regions, and the last five seconds. Elements
//! come from the accessibility tree, which the worker's side tells: good for finding things, never evidence. A target
//! of a waypoint is found by role, label and position; what cannot be told apart is not guessed.

mod builder;
mod condition;
mod digest;
mod ground;
mod label;
mod place;
mod raw;
mod read;
mod ring;

pub use builder::SceneBuilder;
pub use condition::holds;
pub use digest::{digest, same_pixels};
pub use ground::{Found, Ground, Grounded, Lost, NotFound, RuleGround, find};
pub use raw::{RawNode, RawTree, RawWindow};
pub use read::read_text;
pub use ring::{Moment, Ring, RingInput};
