//! A proposal as Cedar sees it. The attributes are those of `policy/schema.cedarschema`.

use cedar_policy::{Context, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression};
use mz_protocol::{Action, Effect, Proposal, Risk, Role, TextClass, TypedText};

use super::{Facts, PolicyError};
use crate::effect::Inference;
use crate::pending::Line;

/// The names of Cedar's types, parsed once.
pub(super) struct Names {
    worker: EntityTypeName,
    application: EntityTypeName,
    action: EntityTypeName,
}

impl Names {
    pub(super) fn new() -> Result<Self, PolicyError> {
        let name = |text: &str| text.parse().map_err(|error| PolicyError::whole(format!("{error}"), "a name of Cedar's"));
        Ok(Self { worker: name("Worker")?, application: name("Application")?, action: name("Action")? })
    }

    pub(super) fn request(
        &self,
        proposal: &Proposal,
        facts: &Facts,
        line: &Line,
        inference: &Inference,
    ) -> Result<Request, String> {
        let context = Context::from_pairs(attributes(proposal, facts, line, inference)).map_err(|error| format!("{error}"))?;
        let uid = |kind: &EntityTypeName, id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        Request::new(
            uid(&self.worker, proposal.worker.as_str()),
            uid(&self.action, proposal.action.verb()),
            uid(&self.application, &proposal.application),
            context,
            None,
        )
        .map_err(|error| format!("{error}"))
    }
}

fn text(value: impl Into<String>) -> RestrictedExpression {
    RestrictedExpression::new_string(value.into())
}

fn flag(value: bool) -> RestrictedExpression {
    RestrictedExpression::new_bool(value)
}

fn attributes(proposal: &Proposal, facts: &Facts, line: &Line, inference: &Inference) -> Vec<(String, RestrictedExpression)> {
    let typed = Typed::of(&proposal.action);
    let line = if typed.program.is_empty() { format!("{}{}", line.text, typed.text) } else { typed.args_text() };
    let class = |class| flag(proposal.text_class.contains(class));
    [
        ("worker", text(proposal.worker.as_str())),
        ("role", text(proposal.role.as_str())),
        ("department", text(proposal.department.as_str())),
        ("application", text(&proposal.application)),
        ("application_lower", text(proposal.application.to_lowercase())),
        ("window_title", text(&proposal.window_title)),
        ("window_title_lower", text(proposal.window_title.to_lowercase())),
        ("host", text(proposal.host.clone().unwrap_or_default().to_lowercase())),
        ("verb", text(proposal.action.verb())),
        ("target_role", text(proposal.target_role.map(role_name).unwrap_or_default())),
        ("target_name", text(&proposal.target_name)),
        ("target_name_lower", text(proposal.target_name.to_lowercase())),
        ("text", text(typed.text)),
        ("text_lower", text(typed.text.to_lowercase())),
        ("line_lower", text(line.to_lowercase())),
        ("line", text(line)),
        ("text_secret", class(TextClass::SECRET)),
        ("text_payment", class(TextClass::PAYMENT)),
        ("text_email", class(TextClass::EMAIL)),
        ("text_unusual", class(TextClass::UNUSUAL)),
        ("secret", text(typed.secret)),
        ("secret_typed", flag(!typed.secret.is_empty())),
        ("field_secret", flag(facts.field_secret)),
        ("chord", text(&typed.chord)),
        ("effect", text(effect_name(proposal.effect))),
        ("intent", text(inference.intent)),
        ("submits", flag(inference.submits)),
        ("browser", flag(inference.browser)),
        ("terminal", flag(inference.terminal)),
        ("privilege", flag(inference.privilege)),
        ("pipe_to_shell", flag(inference.pipe_to_shell)),
        ("has_amount", flag(proposal.amount_cents.is_some())),
        ("amount_cents", RestrictedExpression::new_long(proposal.amount_cents.unwrap_or(0))),
        ("risk", text(risk_name(proposal.risk))),
        ("program", text(typed.program)),
        ("args", RestrictedExpression::new_set(typed.args.iter().map(text))),
        ("args_text", text(typed.args_text().to_lowercase())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The words in an action.
#[derive(Default)]
struct Typed<'a> {
    text: &'a str,
    secret: &'a str,
    chord: String,
    program: &'a str,
    args: &'a [String],
}

impl<'a> Typed<'a> {
    fn of(action: &'a Action) -> Self {
        match action {
            Action::Type { text: TypedText::Plain(text) } => Self { text, ..Self::default() },
            Action::Type { text: TypedText::Secret(secret) } => Self { secret, ..Self::default() },
            Action::Key { chord } => Self { chord: chord.to_string().to_lowercase(), ..Self::default() },
            Action::Launch { program, args } => Self { program, args, ..Self::default() },
            _ => Self::default(),
        }
    }

    fn args_text(&self) -> String {
        self.args.join(" ")
    }
}

fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::None => "none",
        Effect::External => "external",
        Effect::Irreversible => "irreversible",
    }
}

fn risk_name(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
    }
}

fn role_name(role: Role) -> String {
    format!("{role:?}").to_lowercase()
}
