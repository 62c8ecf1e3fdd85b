//! The rules, in Cedar, and the answer they give.

mod context;
mod fault;
mod load;

use std::collections::HashMap;

use cedar_policy::{Authorizer, Decision, Entities, PolicyId, PolicySet};
use mz_protocol::{Action, CommandLine, Effect, PersonId, Proposal, TextClass, TypedText, Verdict};

pub use fault::{PolicyError, PolicyFault};

use crate::effect::{Draft, Inference, infer};
use crate::pending::{LONGEST as LONGEST_LINE, Line, has_controls};
use crate::shell::rank;
use crate::text::{amount_in, classify};

/// Longer texts are refused unread.
const LONGEST_TEXT: usize = 16 * 1024;

/// What the engine knows besides the proposal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The target hides what is typed (`States::SECRET`).
    pub field_secret: bool,
    /// The target takes several lines (`States::MULTILINE`).
    pub multiline: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Deny,
    Approve,
    Allow,
}

#[derive(Debug, Clone)]
struct Rule {
    id: String,
    kind: Kind,
    why: String,
    approvers: u8,
    named: Vec<PersonId>,
    /// The company wrote it, so it is named before a rule of ours.
    own: bool,
    order: usize,
}

/// The rules of one company, parsed once.
pub struct Policy {
    set: PolicySet,
    rules: HashMap<PolicyId, Rule>,
    authorizer: Authorizer,
    entities: Entities,
    names: context::Names,
}

/// A verdict, and whether a grant may stand in for the person it asks for.
pub(crate) struct Judgement {
    pub verdict: Verdict,
    pub grantable: bool,
}

impl Policy {
    /// The built-in rules and a company's own. All faults of the text are found, not just the first.
    pub fn load(text: &str) -> Result<Self, PolicyError> {
        load::policy(&[(load::BUILTIN, false), (text, true)])
    }

    /// The built-in rules alone.
    pub fn builtin() -> Result<Self, PolicyError> {
        load::policy(&[(load::BUILTIN, false)])
    }

    /// Ids of all rules, with what each says.
    pub fn rules(&self) -> Vec<(String, String)> {
        let mut rules: Vec<&Rule> = self.rules.values().collect();
        rules.sort_by_key(|rule| rule.order);
        rules.into_iter().map(|rule| (rule.id.clone(), rule.why.clone())).collect()
    }

    /// The policy's answer about an action on this line. Nothing in here fails open: an error is a denial.
    pub fn decide(&self, proposal: &Proposal, facts: &Facts, line: &Line) -> Verdict {
        let mut proposal = proposal.clone();
        let inference = complete(&mut proposal, facts, line);
        self.judge(&proposal, facts, line, &inference).verdict
    }

    /// Answers for a proposal that [`complete`] has gone over.
    pub(crate) fn judge(&self, proposal: &Proposal, facts: &Facts, line: &Line, inference: &Inference) -> Judgement {
        let sized = |verdict| Judgement { verdict, grantable: false };
        let shown = proposal.line.as_ref().map_or(0, |line| line.text.len());
        if plain_text(proposal).len() > LONGEST_TEXT || shown > LONGEST_LINE {
            return sized(deny("limit.text", "the text is longer than a person could check; type it in parts"));
        }
        let request = match self.names.request(proposal, facts, line, inference) {
            Ok(request) => request,
            Err(why) => return sized(deny("gate.error", &format!("the policy could not be asked: {why}"))),
        };
        let answer = self.authorizer.is_authorized(&request, &self.set, &self.entities);
        if let Some(error) = answer.diagnostics().errors().next() {
            return sized(deny("gate.error", &format!("a rule could not be evaluated: {error}")));
        }
        let mut matched: Vec<&Rule> = answer.diagnostics().reason().filter_map(|id| self.rules.get(id)).collect();
        matched.sort_by_key(|rule| (!rule.own, rule.order));
        if let Some(rule) = matched.iter().find(|rule| rule.kind == Kind::Deny) {
            return sized(deny(&rule.id, &rule.why));
        }
        if answer.decision() == Decision::Deny && !matched.is_empty() {
            return sized(deny("gate.error", "the rules contradict each other"));
        }
        let asking: Vec<&Rule> = matched.iter().copied().filter(|rule| rule.kind == Kind::Approve).collect();
        if !asking.is_empty() {
            return ask(&asking);
        }
        if let Some(rule) = matched.iter().find(|rule| rule.kind == Kind::Allow) {
            return sized(Verdict::Allow { rule: rule.id.clone() });
        }
        if proposal.effect == Effect::None {
            return sized(deny("default.deny", "no rule allows it"));
        }
        let why = "it reaches outside of the desktop and no rule knows it".to_owned();
        let verdict = Verdict::RequireApproval { rule: "default.external".into(), why, approvers: 1, named: Vec::new() };
        Judgement { verdict, grantable: true }
    }
}

fn deny(rule: &str, why: &str) -> Verdict {
    Verdict::Deny { rule: rule.to_owned(), why: why.to_owned() }
}

/// Where several rules ask, all of them must be content: the most approvers, and only those whom every
/// list names. The company's own rule lends its name.
fn ask(asking: &[&Rule]) -> Judgement {
    let first = asking[0];
    let approvers = asking.iter().map(|rule| rule.approvers).max().unwrap_or(1);
    let mut named: Option<Vec<PersonId>> = None;
    for rule in asking.iter().filter(|rule| !rule.named.is_empty()) {
        named = Some(match named {
            None => rule.named.clone(),
            Some(so_far) => so_far.into_iter().filter(|person| rule.named.contains(person)).collect(),
        });
    }
    if named.as_ref().is_some_and(|named| named.len() < usize::from(approvers)) {
        let ids: Vec<&str> = asking.iter().map(|rule| rule.id.as_str()).collect();
        let why = format!("the rules {} name no set of people who could approve it", ids.join(", "));
        return Judgement { verdict: deny("gate.error", &why), grantable: false };
    }
    let verdict = Verdict::RequireApproval {
        rule: first.id.clone(),
        why: first.why.clone(),
        approvers,
        named: named.unwrap_or_default(),
    };
    // A grant names one rule: it must not pass by a second rule of the company's own.
    Judgement { verdict, grantable: asking.iter().filter(|rule| rule.own).count() <= 1 }
}

/// Goes over a proposal as the gate sees it: effect and text classes are never less than what the gate
/// itself infers.
pub(crate) fn complete(proposal: &mut Proposal, facts: &Facts, line: &Line) -> Inference {
    let inference = infer(&Draft {
        action: &proposal.action,
        application: &proposal.application,
        window_title: &proposal.window_title,
        host: proposal.host.as_deref(),
        target_role: proposal.target_role,
        target_name: &proposal.target_name,
        pending_text: &line.text,
        line_unknown: line.unknown,
        multiline: facts.multiline,
    });
    if rank(inference.effect) > rank(proposal.effect) {
        proposal.effect = inference.effect;
    }
    let text = plain_text(proposal);
    if !text.is_empty() && text.len() <= LONGEST_TEXT {
        let class =
            classify(text) | if line.text.is_empty() { TextClass::empty() } else { classify(&format!("{}{text}", line.text)) };
        proposal.text_class |= class;
    }
    let keys = matches!(proposal.action, Action::Type { .. } | Action::Key { .. });
    proposal.line = (inference.terminal && keys).then(|| {
        let text = match &proposal.action {
            Action::Type { text } => format!("{}{}", line.text, text.shown()),
            _ => line.text.clone(),
        };
        CommandLine { known: !line.unknown && !has_controls(&text), text }
    });
    if inference.intent == "pay" {
        // Only what the button itself says is surely the amount; what was typed before it may be any.
        proposal.amount_cents = proposal.amount_cents.max(amount_in(&proposal.target_name));
    }
    inference
}

fn plain_text(proposal: &Proposal) -> &str {
    match &proposal.action {
        Action::Type { text: TypedText::Plain(text) } => text,
        _ => "",
    }
}
