//! The engine puts the rooms together: it owns the state, the workers and the API, and has no window. The worker
//! loop is in `worker`; `floor` holds ledger, gate and views under one lock; `engine` starts and ends everything, `house` is what it owns;
//! `server` speaks to the console and the command line.

mod answer;
pub mod bench;
pub mod cli;
mod clock;
mod commands;
pub mod day;
mod desk;
mod director;
mod dispatch;
mod effort;
mod engine;
mod feeds;
mod floor;
mod house;
mod keysyms;
mod logging;
mod mask;
mod monitor;
mod outside;
mod paths;
mod pictures;
mod recorder;
mod reflex;
mod server;
pub mod services;
mod staff;
mod views;
mod worker;
mod workplace;

pub use desk::Desk;
pub use director::{Direction, Director};
pub use dispatch::{DispatchError, Dispatcher, Judged, Sent};
pub use floor::{Floor, FloorError};
pub use house::{House, HouseError};
pub use outside::Outside;
pub use paths::Paths;
pub use reflex::{Aim, Intent, Progress, Reflex, Rules, Tick};
pub use worker::work;
pub use workplace::{Ended, Seat};
