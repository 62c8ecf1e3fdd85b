//! What every screen works on, and which screens there are.

use mz_protocol::{WorkOrderId, WorkerId};

use crate::model::Model;
use crate::prefs::Prefs;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Screen {
    #[default]
    Wall,
    Approvals,
    Worker(WorkerId),
    Work,
    Reports,
    Fleet,
    Settings,
}

/// What a screen may use and change.
pub struct Desk<'a> {
    pub model: &'a mut Model,
    pub prefs: &'a mut Prefs,
    pub(crate) screen: Screen,
    pub(crate) go: &'a mut Option<Screen>,
    pub(crate) order: &'a mut Option<WorkOrderId>,
}

impl Desk<'_> {
    /// The screen that is shown now.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Shows this work order's details from the next frame on.
    pub fn open_order(&mut self, order: Option<WorkOrderId>) {
        *self.order = order;
        self.go(Screen::Work);
    }

    /// Shows another screen from the next frame on.
    pub fn go(&mut self, screen: Screen) {
        *self.go = Some(screen);
    }
}
