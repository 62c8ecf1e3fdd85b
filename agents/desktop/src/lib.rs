//! Where a worker works: a desktop of its own, confined by a [`Runtime`]. Pictures come out through a
//! [`FrameFeed`], input goes in only through the [`Hand`] that [`Runtime::start`] gives to its one owner, and
//! [`Desktop`] is for all the rest: programs, files, the accessibility tree, freezing and the end.
//!
//! Nothing that comes out of a desktop is believed: sizes are bounded and indices checked at the door.

mod api;
pub mod broker;
mod error;
mod feed;
mod files;
mod hand;
pub mod inner;
mod keymap;
mod process;
mod screen;
pub mod testkit;
mod wire;
mod witness;

pub use api::{Desktop, DesktopSpec, Limits, ProcessInfo, Program, Runtime};
pub use error::DesktopError;
pub use feed::{Changes, Frame, FrameFeed, FrameWriter, Grid, TILE, TileSet};
pub use hand::{Atom, Hand};
pub use mz_scene::RawTree;
pub use process::ProcessRuntime;
pub use witness::Witness;
