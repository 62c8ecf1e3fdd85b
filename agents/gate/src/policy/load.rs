//! From rule files to rules: every rule has a name, a kind and a reason, and asks only about what there is.

use std::collections::HashMap;

use cedar_policy::{
    Authorizer, Effect, Entities, Policy as CedarPolicy, PolicyId, PolicySet, Schema, ValidationMode, Validator,
};
use mz_protocol::PersonId;

use super::fault::{line_of, of_cedar};
use super::{Kind, Policy, PolicyError, PolicyFault, Rule, context};

pub(super) const BUILTIN: &str = include_str!("../../policy/builtin.cedar");
const SCHEMA: &str = include_str!("../../policy/schema.cedarschema");

/// What is wrong with one rule, and what should be there.
struct Wrong {
    what: String,
    expected: &'static str,
}

/// A rule with its Cedar form and the line that it begins on.
struct Chosen {
    rule: Rule,
    cedar: CedarPolicy,
    line: u32,
}

/// Texts in order, each with whether it is the company's own. The lines of faults are those of the last text.
pub(super) fn policy(texts: &[(&str, bool)]) -> Result<Policy, PolicyError> {
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut faults = Vec::new();
    for (text, own) in texts {
        let mut behind = 0;
        for cedar in parsed(text)? {
            let written = cedar.to_cedar().unwrap_or_default();
            let from = text[behind..].find(&written).map_or(behind, |at| behind + at);
            behind = from + written.len().min(text.len() - from);
            let line = line_of(text, from);
            let taken = rule(&cedar, *own, chosen.len()).and_then(|rule| take(&mut chosen, Chosen { rule, cedar, line }));
            if let Err(Wrong { what, expected }) = taken {
                faults.push(PolicyFault { line, what, expected: expected.to_owned() });
            }
        }
    }
    if !faults.is_empty() {
        return Err(PolicyError { faults });
    }
    let mut set = PolicySet::new();
    let mut rules = HashMap::new();
    let mut lines = HashMap::new();
    for Chosen { rule, cedar, line } in chosen {
        let id = PolicyId::new(&rule.id);
        set.add(cedar.new_id(id.clone()))
            .map_err(|error| PolicyError::whole(error.to_string(), "rules with ids of their own"))?;
        lines.insert(id.clone(), line);
        rules.insert(id, rule);
    }
    let own = texts.last().map_or("", |(text, _)| text);
    validate(&set, own, &lines)?;
    Ok(Policy { set, rules, authorizer: Authorizer::new(), entities: Entities::empty(), names: context::Names::new()? })
}

/// The rules of a text in their order.
fn parsed(text: &str) -> Result<Vec<CedarPolicy>, PolicyError> {
    const SHAPE: &str = "rules such as `permit (principal, action, resource) when { context.terminal };`";
    let set: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| PolicyError {
        faults: errors.iter().map(|error| of_cedar(text, "this is no valid Cedar", SHAPE, error)).collect(),
    })?;
    if set.num_of_templates() > 0 {
        let at = text.find("?principal").or_else(|| text.find("?resource")).unwrap_or(0);
        let what = "a rule has ?principal or ?resource in it: templates are not used here".to_owned();
        return Err(PolicyError { faults: vec![PolicyFault { line: line_of(text, at), what, expected: SHAPE.to_owned() }] });
    }
    let mut policies: Vec<CedarPolicy> = set.policies().cloned().collect();
    // Cedar numbers the rules of a file: policy0, policy1, …
    policies.sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().unwrap_or(usize::MAX));
    Ok(policies)
}

/// Adds a rule, or puts it in the place of the built-in one of that name.
fn take(chosen: &mut Vec<Chosen>, new: Chosen) -> Result<(), Wrong> {
    match chosen.iter().position(|other| other.rule.id == new.rule.id) {
        None => chosen.push(new),
        Some(at) => {
            replaceable(&chosen[at].rule, &new.rule)?;
            chosen[at] = new;
        }
    }
    Ok(())
}

fn validate(set: &PolicySet, text: &str, lines: &HashMap<PolicyId, u32>) -> Result<(), PolicyError> {
    const KNOWN: &str = "what schema.cedarschema lists for a rule to ask about";
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| PolicyError::whole(error.to_string(), KNOWN))?;
    let result = Validator::new(schema).validate(set, ValidationMode::Strict);
    let fault = |error: &cedar_policy::ValidationError| {
        let rule = error.policy_id();
        let what = format!("the rule {rule} does not fit the schema");
        let fault = of_cedar(text, &what, KNOWN, error);
        let begins = lines.get(rule).copied().unwrap_or(1);
        PolicyFault { line: fault.line.max(begins), ..fault }
    };
    let mut faults: Vec<PolicyFault> = result.validation_errors().map(fault).collect();
    faults.sort_by(|one, other| (one.line, &one.what).cmp(&(other.line, &other.what)));
    // One mistake is found once for each action that the rule is about.
    let mistake = |fault: &PolicyFault| fault.what.split(" for Action::").next().map(str::to_owned);
    faults.dedup_by(|one, other| one.line == other.line && mistake(one) == mistake(other));
    if faults.is_empty() { Ok(()) } else { Err(PolicyError { faults }) }
}

fn wrong(what: impl Into<String>, expected: &'static str) -> Wrong {
    Wrong { what: what.into(), expected }
}

fn replaceable(old: &Rule, new: &Rule) -> Result<(), Wrong> {
    if old.own == new.own {
        return Err(wrong(format!("two rules have the @id {:?}", new.id), "an @id of its own for each rule"));
    }
    if old.kind == Kind::Deny && new.kind != Kind::Deny {
        let what = format!("the built-in denial {} is replaced by something else", new.id);
        return Err(wrong(what, "a denial in the place of a built-in denial, or another @id"));
    }
    Ok(())
}

fn rule(policy: &CedarPolicy, own: bool, order: usize) -> Result<Rule, Wrong> {
    let note = |key: &str| policy.annotation(key).map(str::trim).filter(|text| !text.is_empty());
    let id = note("id").ok_or_else(|| wrong("a rule has no @id", "@id(\"area.name\") above it"))?.to_owned();
    if id.len() > 64 || id.starts_with("default.") || id.starts_with("gate.") || id.starts_with("limit.") {
        return Err(wrong(
            format!("{id:?} cannot be an @id"),
            "up to 64 letters that do not begin with default., gate. or limit.",
        ));
    }
    let kind = match (note("effect"), policy.effect()) {
        (Some("deny"), Effect::Forbid) => Kind::Deny,
        (Some("approve"), Effect::Permit) => Kind::Approve,
        (Some("allow"), Effect::Permit) => Kind::Allow,
        (found, _) => {
            let what = match found {
                None => format!("the rule {id} has no @effect"),
                Some(found) => format!("the @effect {found:?} of {id} does not fit its permit or forbid"),
            };
            let expected = "@effect(\"deny\") above a forbid, @effect(\"approve\") or @effect(\"allow\") above a permit";
            return Err(wrong(what, expected));
        }
    };
    let why = note("why")
        .ok_or_else(|| wrong(format!("the rule {id} has no @why"), "@why(\"…\") above it: people are shown it"))?
        .to_owned();
    let approvers = match note("approvers") {
        None => 1,
        Some(text) => text
            .parse()
            .ok()
            .filter(|n| (1..=9).contains(n))
            .ok_or_else(|| wrong(format!("{id}: @approvers({text:?}) is no such number"), "a number from 1 to 9"))?,
    };
    let mut named = Vec::new();
    for name in note("named").unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let person = PersonId::new(name)
            .map_err(|error| wrong(format!("{id}: @named: {error}"), "names of people, with commas between"))?;
        if !named.contains(&person) {
            named.push(person);
        }
    }
    if kind != Kind::Approve && (note("approvers").is_some() || !named.is_empty()) {
        return Err(wrong(format!("{id} has @approvers or @named"), "them with @effect(\"approve\") only"));
    }
    if !named.is_empty() && named.len() < usize::from(approvers) {
        return Err(wrong(
            format!("{id} needs {approvers} approvers and names {}", named.len()),
            "at least as many names in @named as @approvers asks for",
        ));
    }
    Ok(Rule { id, kind, why, approvers, named, own, order })
}
