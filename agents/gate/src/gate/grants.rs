//! Approval of an intent instead of a click: narrow, counted, dated, and taken back at once.

use mz_protocol::{
    Action, EventBody, Grant, GrantId, GrantInput, GrantScope, PersonId, Proposal, TextClass, Timestamp, TypedText,
};

use super::{Gate, Step, numbered};
use crate::pending::LONGEST;

/// The longest input that a grant can name, in bytes.
const LONGEST_INPUT: usize = 16 * 1024;
/// The rule about money; a grant for it names the most that may be paid.
const PAYMENT: &str = "external.payment";

/// Why there is no such grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    #[error("{0}")]
    NotAllowed(String),
    #[error("a grant names a worker or a department, a verb, a rule and an application: {0} is missing")]
    TooWide(&'static str),
    #[error("a grant has 1 to {most} uses and ends within {days} days of now")]
    Bounds { most: u32, days: u64 },
    #[error("how much would be paid is not known here, so every payment is asked about")]
    NoAmount,
    #[error("the command or text is too long to be granted; approve it each time")]
    TooLong,
    #[error("there are {0} grants; revoke one first")]
    TooMany(usize),
    #[error("there is no grant {0}")]
    Unknown(GrantId),
}

impl Gate {
    /// Gives a grant. A rule that needs two people, or that names others, is not covered by it; a denial never is.
    pub fn give_grant(
        &mut self,
        now: Timestamp,
        scope: GrantScope,
        uses: u32,
        until: Timestamp,
        by: &PersonId,
    ) -> Step<Result<Grant, GrantError>> {
        let mut events = Vec::new();
        let now = self.advance(now, &mut events);
        let result = self.check_grant(now, &scope, uses, until, by).map(|()| {
            self.last_grant += 1;
            let id = numbered(self.last_grant, "GR", GrantId::new);
            let grant = Grant { id, scope, uses_left: uses, until, by: by.clone(), given: now, revoked: None, event: None };
            events.push(EventBody::GrantGiven { grant: grant.clone() });
            self.grants.insert(grant.id.clone(), grant.clone());
            grant
        });
        Step { result, events }
    }

    /// Takes a grant back; from this call on nothing passes by it.
    pub fn revoke_grant(&mut self, now: Timestamp, id: &GrantId) -> Step<Result<(), GrantError>> {
        let mut events = Vec::new();
        self.advance(now, &mut events);
        let result = match self.grants.remove(id) {
            None => Err(GrantError::Unknown(id.clone())),
            Some(_) => {
                events.push(EventBody::GrantRevoked { grant: id.clone() });
                Ok(())
            }
        };
        Step { result, events }
    }

    /// Takes back a grant that could not be written down.
    pub fn forget_grant(&mut self, id: &GrantId) {
        self.grants.remove(id);
    }

    /// The grants that still count.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values()
    }

    fn check_grant(
        &self,
        now: Timestamp,
        scope: &GrantScope,
        uses: u32,
        until: Timestamp,
        by: &PersonId,
    ) -> Result<(), GrantError> {
        if let Some(why) = self.outsider(by) {
            return Err(GrantError::NotAllowed(why));
        }
        let missing = [
            (scope.worker.is_none() && scope.department.is_none(), "the worker or department"),
            (scope.verb.is_empty(), "the verb"),
            (scope.rule.is_empty(), "the rule"),
            (scope.application.is_empty(), "the application"),
        ];
        if let Some((_, what)) = missing.iter().find(|(missing, _)| *missing) {
            return Err(GrantError::TooWide(what));
        }
        if scope.rule == PAYMENT && scope.max_amount_cents.is_none() {
            return Err(GrantError::NoAmount);
        }
        let input = match &scope.input {
            GrantInput::Exactly(text) => text.len(),
            GrantInput::AnyText => 0,
        };
        if input > LONGEST_INPUT || scope.line.as_ref().is_some_and(|line| line.len() > LONGEST) {
            return Err(GrantError::TooLong);
        }
        let most = self.config.max_grant_uses;
        let latest = now.plus(self.config.max_grant_lifetime);
        if !(1..=most).contains(&uses)
            || until <= now
            || until > latest
            || scope.max_amount_cents.is_some_and(|cents| cents < 0)
        {
            return Err(GrantError::Bounds { most, days: self.config.max_grant_lifetime.0 / 86_400_000 });
        }
        if self.grants.len() >= self.config.max_grants {
            return Err(GrantError::TooMany(self.grants.len()));
        }
        Ok(())
    }

    pub(super) fn expire_grants(&mut self, now: Timestamp) {
        self.grants.retain(|_, grant| now < grant.until && grant.uses_left > 0);
    }

    /// Takes one use of the first grant that covers the proposal, and says how many are left.
    pub(super) fn use_grant(
        &mut self,
        now: Timestamp,
        proposal: &Proposal,
        rule: &str,
        named: &[PersonId],
    ) -> Option<(GrantId, u32)> {
        // Nobody could have meant text that does not show, or a secret.
        if proposal.text_class.intersects(TextClass::UNUSUAL | TextClass::SECRET) {
            return None;
        }
        let grant = self.grants.values_mut().find(|grant| {
            let current = now < grant.until && grant.uses_left > 0 && grant.revoked.is_none();
            current && (named.is_empty() || named.contains(&grant.by)) && covers(&grant.scope, proposal, rule)
        })?;
        grant.uses_left -= 1;
        let used = (grant.id.clone(), grant.uses_left);
        if used.1 == 0 {
            self.grants.remove(&used.0);
        }
        Some(used)
    }
}

fn covers(scope: &GrantScope, proposal: &Proposal, rule: &str) -> bool {
    let is = |wanted: &Option<String>, found: &Option<String>| {
        wanted.as_ref().is_none_or(|wanted| found.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
    };
    let amount = match (scope.max_amount_cents, proposal.amount_cents) {
        (Some(most), Some(amount)) => (0..=most).contains(&amount),
        // Money without a bound, or a bound without a known amount.
        (None, Some(_)) | (Some(_), None) => false,
        (None, None) => true,
    };
    let line = match (&scope.line, &proposal.line) {
        (None, None) => true,
        (Some(granted), Some(line)) => line.known && line.text == *granted,
        _ => false,
    };
    let input = match &scope.input {
        GrantInput::Exactly(input) => *input == proposal.action.input(),
        GrantInput::AnyText => proposal.line.is_none() && matches!(proposal.action, Action::Type { text: TypedText::Plain(_) }),
    };
    line && input
        && scope.worker.as_ref().is_none_or(|worker| *worker == proposal.worker)
        && scope.department.as_ref().is_none_or(|department| *department == proposal.department)
        && scope.verb == proposal.action.verb()
        && scope.rule == rule
        && scope.application.eq_ignore_ascii_case(&proposal.application)
        && is(&scope.host, &proposal.host)
        && scope.target_role.is_none_or(|role| proposal.target_role == Some(role))
        && scope.target_name.trim().to_lowercase() == proposal.target_name.trim().to_lowercase()
        && amount
}
