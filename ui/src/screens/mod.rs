//! One file for each screen.

pub mod approvals;
pub mod drive;
pub mod facts;
pub mod fleet;
pub mod lost;
pub mod menu;
pub mod order;
pub mod queue;
pub mod reports;
pub mod scrub;
pub mod settings;
pub mod story;
pub mod wall;
pub mod work;
pub mod worker;
