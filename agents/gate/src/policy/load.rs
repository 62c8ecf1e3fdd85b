//! From rule files to rules: every rule has a name, a kind and a reason, and asks only about what there is.

use std::collections::HashMap;

use cedar_policy::{
    Authorizer, Effect, Entities, Policy as CedarPolicy, PolicyId, PolicySet, Schema, ValidationMode, Validator,
};
use mz_protocol::PersonId;

use super::{Kind, Policy, PolicyError, Rule, context};

pub(super) const BUILTIN: &str = include_str!("../../policy/builtin.cedar");
const SCHEMA: &str = include_str!("../../policy/schema.cedarschema");

/// Texts in order, each with whether it is the company's own.
pub(super) fn policy(texts: &[(&str, bool)]) -> Result<Policy, PolicyError> {
    let mut chosen: Vec<(Rule, CedarPolicy)> = Vec::new();
    for (text, own) in texts {
        let set: PolicySet = text.parse().map_err(|error| PolicyError::Syntax(format!("{error}")))?;
        if set.num_of_templates() > 0 {
            return Err(PolicyError::Syntax("a rule has ?principal or ?resource in it: templates are not used here".into()));
        }
        let mut policies: Vec<&CedarPolicy> = set.policies().collect();
        // Cedar numbers the rules of a file: policy0, policy1, …
        policies
            .sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().unwrap_or(usize::MAX));
        for policy in policies {
            let rule = rule(policy, *own, chosen.len())?;
            match chosen.iter().position(|(other, _)| other.id == rule.id) {
                None => chosen.push((rule, policy.clone())),
                Some(at) => {
                    replaceable(&chosen[at].0, &rule)?;
                    chosen[at] = (rule, policy.clone());
                }
            }
        }
    }
    let mut set = PolicySet::new();
    let mut rules = HashMap::new();
    for (rule, policy) in chosen {
        let id = PolicyId::new(&rule.id);
        set.add(policy.new_id(id.clone())).map_err(|error| fault(&rule.id, format!("{error}")))?;
        rules.insert(id, rule);
    }
    validate(&set)?;
    Ok(Policy { set, rules, authorizer: Authorizer::new(), entities: Entities::empty(), names: context::Names::new()? })
}

fn validate(set: &PolicySet) -> Result<(), PolicyError> {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| PolicyError::Schema(format!("{error}")))?;
    let result = Validator::new(schema).validate(set, ValidationMode::Strict);
    let faults: Vec<String> = result.validation_errors().take(5).map(ToString::to_string).collect();
    if faults.is_empty() { Ok(()) } else { Err(PolicyError::Schema(faults.join("; "))) }
}

fn replaceable(old: &Rule, new: &Rule) -> Result<(), PolicyError> {
    if old.own == new.own {
        return Err(fault(&new.id, "two rules have this @id; give each its own".into()));
    }
    if old.kind == Kind::Deny && new.kind != Kind::Deny {
        return Err(fault(&new.id, "a built-in denial can be replaced by a denial only".into()));
    }
    Ok(())
}

fn fault(rule: &str, why: String) -> PolicyError {
    PolicyError::Rule { rule: rule.to_owned(), why }
}

fn rule(policy: &CedarPolicy, own: bool, order: usize) -> Result<Rule, PolicyError> {
    let note = |key: &str| policy.annotation(key).map(str::trim).filter(|text| !text.is_empty());
    let number = policy.id().to_string();
    let id = note("id").ok_or_else(|| fault(&number, "write @id(\"area.name\") above it".into()))?.to_owned();
    if id.len() > 64 || id.starts_with("default.") || id.starts_with("gate.") || id.starts_with("limit.") {
        return Err(fault(&id, "ids have up to 64 letters and do not begin with default., gate. or limit.".into()));
    }
    let kind = match (note("effect"), policy.effect()) {
        (Some("deny"), Effect::Forbid) => Kind::Deny,
        (Some("approve"), Effect::Permit) => Kind::Approve,
        (Some("allow"), Effect::Permit) => Kind::Allow,
        _ => {
            return Err(fault(
                &id,
                "write @effect(\"deny\") above a forbid, @effect(\"approve\") or @effect(\"allow\") above a permit".into(),
            ));
        }
    };
    let why = note("why").ok_or_else(|| fault(&id, "write @why(\"…\"): people are shown it".into()))?.to_owned();
    let approvers = match note("approvers") {
        None => 1,
        Some(text) => text
            .parse()
            .ok()
            .filter(|n| (1..=9).contains(n))
            .ok_or_else(|| fault(&id, format!("@approvers(\"{text}\") is no number from 1 to 9")))?,
    };
    let mut named = Vec::new();
    for name in note("named").unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let person = PersonId::new(name).map_err(|error| fault(&id, format!("@named: {error}")))?;
        if !named.contains(&person) {
            named.push(person);
        }
    }
    if kind != Kind::Approve && (note("approvers").is_some() || !named.is_empty()) {
        return Err(fault(&id, "@approvers and @named belong to @effect(\"approve\")".into()));
    }
    if !named.is_empty() && named.len() < usize::from(approvers) {
        return Err(fault(&id, format!("it needs {approvers} approvers and names {}", named.len())));
    }
    Ok(Rule { id, kind, why, approvers, named, own, order })
}
