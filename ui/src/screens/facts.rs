//! What is asked, in plain words that come from the gate and the screen, apart from the worker's own.

use egui::{CornerRadius, Margin, Stroke, Ui};
use mz_protocol::{ApprovalRequest, ApprovalView, Command, Effect, Proposal, TextClass, Timestamp, TypedText};

use crate::model::Model;
use crate::say;
use crate::tokens::{BODY, SMALL, Tokens};
use crate::widgets::{code, fact, fact_text, plain};

pub fn show(ui: &mut Ui, model: &Model, view: &ApprovalView) {
    let request = &view.request;
    let p = &request.proposal;
    ui.spacing_mut().item_spacing.y = 10.0;
    fact_text(ui, "Action", &say::proposal(p));
    typed(ui, p);
    command(ui, p);
    fact_text(ui, "Where", &place(p));
    fact_text(ui, "Outside effect", effect(p));
    fact_text(ui, "Can be undone", undo(p));
    if p.risk != mz_protocol::Risk::Low {
        fact_text(ui, "Risk", say::risk(p.risk));
    }
    if let Some(amount) = p.amount_cents {
        fact_text(ui, "Amount", &say::cents(amount, &model.currency()));
    }
    rule(ui, request);
    sent_before(ui, model, view);
    if let Some(order) = &p.order {
        let title = model.order_title(order).unwrap_or_default();
        fact_text(ui, "Work order", &format!("{order} {title}"));
    }
    ui.add_space(2.0);
    own_words(ui, model, p);
}

/// The text to be typed, each odd character made visible.
fn typed(ui: &mut Ui, p: &Proposal) {
    let t = Tokens::of(ui);
    let mz_protocol::Action::Type { text } = &p.action else { return };
    let shown = text.shown();
    let odd = p.text_class.contains(TextClass::UNUSUAL) || say::has_unusual(&shown);
    fact(ui, "Text", |ui| {
        let color = if odd { t.need } else { t.text };
        ui.add(egui::Label::new(code(say::visible(&shown), BODY - 1.0, color)).wrap());
        if odd {
            ui.add(egui::Label::new(plain("Holds characters that do not show or look like others.", SMALL, t.need)).wrap());
        }
        if matches!(text, TypedText::Secret(_)) {
            ui.add(egui::Label::new(plain("Typed by the gate from the keyring; no model sees it.", SMALL, t.dim)).wrap());
        }
    });
}

/// The command line in a terminal, which is part of what is approved.
fn command(ui: &mut Ui, p: &Proposal) {
    let t = Tokens::of(ui);
    let Some(line) = &p.line else { return };
    fact(ui, "Command line", |ui| {
        ui.add(egui::Label::new(code(say::visible(&line.text), BODY - 1.0, t.text)).wrap());
        if !line.known {
            let doubt = "The line may hold something else: look at the terminal.";
            ui.add(egui::Label::new(plain(doubt, SMALL, t.need)).wrap());
        }
    });
}

/// An order that is begun again may do again what cannot be undone.
fn sent_before(ui: &mut Ui, model: &Model, view: &ApprovalView) {
    let t = Tokens::of(ui);
    if view.sent_before.is_empty() {
        return;
    }
    fact(ui, "Sent before", |ui| {
        for sent in &view.sent_before {
            let words = format!("{} at {}", say::proposal(&sent.proposal), model.clock.minutes(sent.at));
            ui.add(egui::Label::new(plain(words, BODY, t.need)).wrap());
        }
        let hint = "This work order has sent this already: look that it is not done twice.";
        ui.add(egui::Label::new(plain(hint, SMALL, t.dim)).wrap());
    });
}

fn place(p: &Proposal) -> String {
    let title = say::visible(&p.window_title);
    let host = p.host.as_ref().map(|host| say::visible(host));
    let parts = [say::visible(&p.application), host.unwrap_or_default(), title];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn effect(p: &Proposal) -> &'static str {
    match p.effect {
        Effect::None => "None that is known; it stays on this desktop",
        Effect::External | Effect::Irreversible => "Yes, people outside can notice it",
    }
}

fn undo(p: &Proposal) -> &'static str {
    match p.effect {
        Effect::None => "Yes, on this desktop",
        Effect::External => "Perhaps, but not unseen",
        Effect::Irreversible => "No",
    }
}

fn rule(ui: &mut Ui, request: &ApprovalRequest) {
    let t = Tokens::of(ui);
    fact(ui, "Rule", |ui| {
        ui.add(egui::Label::new(code(say::visible(&request.rule), BODY - 1.0, t.text)).wrap());
        let approvers = match request.approvers_needed {
            0 | 1 => String::new(),
            n => format!(" Needs {n} people."),
        };
        ui.add(
            egui::Label::new(plain(format!("{}{approvers}", say::sentence(&say::visible(&request.why))), SMALL + 1.0, t.dim))
                .wrap(),
        );
    });
}

/// The worker's reason, in a box that says whose words these are.
fn own_words(ui: &mut Ui, model: &Model, p: &Proposal) {
    let t = Tokens::of(ui);
    let name = model.worker_name(&p.worker);
    let words = p.reason.as_deref().map_or_else(|| "Gave no reason.".to_owned(), |words| say::sentence(&say::visible(words)));
    let frame = egui::Frame::new().inner_margin(Margin::same(12)).corner_radius(CornerRadius::same(8));
    let shown = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 4.0;
        ui.label(plain(format!("{name} says — the worker’s own words, not checked"), SMALL, t.dim));
        ui.add(egui::Label::new(plain(words, BODY, t.text)).wrap());
    });
    let rect = shown.response.rect.shrink(0.5);
    let corners = [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom(), rect.left_top()];
    let dashes = egui::Shape::dashed_line(&corners, Stroke::new(1.0, t.faint), 4.0, 4.0);
    ui.painter().extend(dashes);
}

/// A grant as narrow as the question: this worker, this verb, this target, this place; with an end.
pub fn grant(request: &ApprovalRequest, uses: u32, until: Timestamp) -> Command {
    let p = &request.proposal;
    let scope = mz_protocol::GrantScope {
        worker: Some(p.worker.clone()),
        department: Some(p.department.clone()),
        verb: p.action.verb().to_owned(),
        rule: request.rule.clone(),
        application: p.application.clone(),
        host: p.host.clone(),
        target_role: p.target_role,
        target_name: p.target_name.clone(),
        line: p.line.as_ref().map(|line| line.text.clone()),
        input: mz_protocol::GrantInput::Exactly(p.action.input()),
        max_amount_cents: p.amount_cents,
    };
    Command::GiveGrant { scope: Box::new(scope), uses, until }
}

/// The grant in one sentence.
pub fn grant_words(model: &Model, scope: &mz_protocol::GrantScope) -> String {
    let who = match (&scope.worker, &scope.department) {
        (Some(worker), _) => model.worker_name(worker),
        (None, Some(department)) => format!("anyone in {}", model.department_name(department)),
        (None, None) => "anyone".to_owned(),
    };
    let target =
        if scope.target_name.is_empty() { String::new() } else { format!(" “{}”", say::visible(&scope.target_name)) };
    let role = scope.target_role.map_or(String::new(), |role| format!(" {}", say::role(role)));
    let host = scope.host.as_ref().map_or(String::new(), |host| format!(" on {host}"));
    let most =
        scope.max_amount_cents.map_or(String::new(), |cents| format!(", up to {}", say::cents(cents, &model.currency())));
    let what = match (&scope.line, &scope.input) {
        (Some(line), mz_protocol::GrantInput::Exactly(keys)) if scope.verb == "key" => {
            format!(" {} to run exactly “{}”", say::visible(keys), say::visible(line))
        }
        (Some(line), _) => format!(" so that the line is exactly “{}”", say::visible(line)),
        (None, mz_protocol::GrantInput::Exactly(input)) if input.is_empty() => String::new(),
        (None, mz_protocol::GrantInput::Exactly(input)) => format!(" exactly “{}”", say::visible(input)),
        (None, mz_protocol::GrantInput::AnyText) => " any text".to_owned(),
    };
    let verb = scope.verb.replace('_', " ");
    let on = if what.is_empty() { "" } else { " in" };
    format!("{who} may {verb}{what}{on}{role}{target} in {}{host}{most}", scope.application)
}
