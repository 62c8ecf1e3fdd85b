//! Notices a worker that goes round in circles.

use std::collections::HashMap;

use mz_protocol::{Action, Digest};

/// The same action on the same screen, this often, is a loop.
const SAME: u32 = 4;
/// More actions than any sound procedure needs for one order.
const MOST_ACTIONS: u32 = 20_000;

#[derive(Debug, Default)]
pub struct Monitor {
    seen: HashMap<(Action, Digest), u32>,
    actions: u32,
}

impl Monitor {
    /// A new direction: what was tried for the last one does not count. Procedures end, so only one step can go in
    /// circles.
    pub fn begin_waypoint(&mut self) {
        self.seen.clear();
    }

    /// Counts an action about to be sent on the screen with this digest; the answer is why to stop, for the manager.
    pub fn repeats(&mut self, action: &Action, screen: Digest) -> Option<String> {
        self.actions += 1;
        if self.actions > MOST_ACTIONS {
            return Some(format!("I have done {MOST_ACTIONS} actions on this work order without coming to its end."));
        }
        let count = self.seen.entry((action.clone(), screen)).or_default();
        *count += 1;
        (*count > SAME).then(|| {
            format!("I have tried the same thing ({}) {} times and the screen looks just as before.", action.verb(), SAME)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mz_protocol::Millis;

    #[test]
    fn the_same_action_on_a_changing_screen_is_no_loop() {
        let mut monitor = Monitor::default();
        let action = Action::Wait { span: Millis(1) };
        for i in 0..100u8 {
            assert_eq!(monitor.repeats(&action, Digest([i; 32])), None);
        }
        let asked = (0..10).filter(|_| monitor.repeats(&action, Digest::ZERO).is_some()).count();
        assert_eq!(asked, 7, "the first of the hundred screens was this one, so three more tries pass");
    }
}
