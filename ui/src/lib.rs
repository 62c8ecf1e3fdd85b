//! The console: a native window from which a manager watches the workers, decides what is risky, and reads what got
//! done. It talks to the engine over one line ([`connection`]) and holds nothing that the engine does not know. The
//! whole window is [`App`]; the binary only opens it, and tests drive it with the engine of [`testing`].

pub mod app;
pub mod bench;
pub mod connection;
pub mod desk;
pub mod icons;
pub mod model;
pub mod pictures;
pub mod prefs;
pub mod sample;
pub mod say;
pub mod screens;
pub mod shots;
pub mod state;
pub mod testing;
pub mod tokens;
pub mod widgets;
pub mod window;

pub use app::App;
pub use connection::{Link, LinkEvent, SocketLink};
