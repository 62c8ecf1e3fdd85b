//! The floor and its disk: with little room nobody acts, and what happens is still written; with none, nothing happens
//! that would have to be written. Either ends by itself when there is room again, and neither touches a stop.

use mz_ledger::LedgerError;
use mz_protocol::{Event, EventBody};

use super::{Broken, Floor, FloorError, State, stamped};

/// With less room than this, workers stop while what is open can still be written down.
const LEAST_FREE: u64 = 256 << 20;
/// They go on when there is so much more.
const MARGIN: u64 = 32 << 20;
/// What people do while nothing can be written; workers do nothing.
const MOST_OWED: usize = 4096;

impl Floor {
    /// Tells the floor how many bytes are free where `path` lies.
    pub fn room(&self, path: &str, free: u64) {
        let mut state = self.lock();
        if free < LEAST_FREE {
            self.stand_still(&mut state, path, free);
        } else if free >= LEAST_FREE + MARGIN {
            self.go_on(&mut state, path, free);
        }
    }

    fn stand_still(&self, state: &mut State, path: &str, free: u64) {
        if state.low.is_some() {
            return;
        }
        state.low = Some(self.switch.press_all());
        let body = EventBody::StorageLow { path: path.to_owned(), free_bytes: free, stopped: true };
        if let Err(error) = self.write(state, mz_protocol::Actor::Engine, vec![body]) {
            tracing::warn!("workers stand still for want of room, and that cannot be written: {error}");
        }
        self.changed.notify_all();
    }

    fn go_on(&self, state: &mut State, path: &str, free: u64) {
        let troubled = state.views.snapshot.company.as_ref().is_some_and(|company| company.trouble.is_some());
        match &state.broken {
            Some(broken) if !broken.for_room => return,
            None if state.low.is_none() && !troubled => return,
            _ => {}
        }
        // Held until all is written, so that nobody acts in between.
        let held = self.switch.press_all();
        state.broken = None;
        if let Err(error) = self.write_owed(state, path, free) {
            tracing::warn!("there is room, and the ledger takes nothing: {error}");
            return;
        }
        state.low = None;
        drop(held);
        self.changed.notify_all();
    }

    fn write_owed(&self, state: &mut State, path: &str, free: u64) -> Result<(), FloorError> {
        let owed = std::mem::take(&mut state.owed);
        if let Err(error) = self.append(state, &owed) {
            state.owed = owed;
            return Err(error);
        }
        let body = EventBody::StorageLow { path: path.to_owned(), free_bytes: free, stopped: false };
        self.append(state, &stamped(mz_protocol::Actor::Engine, vec![body]))
    }

    /// The ledger has not taken what was to be written.
    pub(super) fn broke(&self, state: &mut State, error: &LedgerError) {
        let for_room = matches!(error, LedgerError::Full { .. });
        let way_out = match for_room {
            true => "Work then goes on by itself",
            false => "Mend it and start the engine again",
        };
        state.broken = Some(Broken { why: error.to_string(), for_room, _pressed: self.switch.press_all() });
        if let Some(company) = &mut state.views.snapshot.company {
            company.trouble = Some(format!("All workers stand still: {error}. {way_out}."));
        }
        self.show_company(state);
    }
}

impl State {
    pub(super) fn owe(&mut self, events: Vec<Event>) {
        if self.owed.len() + events.len() > MOST_OWED {
            tracing::error!("more is done than can be remembered until there is room: {events:?}");
            return;
        }
        self.owed.extend(events);
    }
}
