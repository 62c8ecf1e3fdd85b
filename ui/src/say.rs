//! Facts in plain words: times, spans, money, actions, and text whose odd characters must be seen.

use jiff::tz::TimeZone;
use mz_protocol::{Action, Button, Chord, Millis, Proposal, Risk, Role, StepRef, Timestamp, TypedText};

/// The clock and time zone of the console; a test has its own.
#[derive(Debug, Clone)]
pub struct Clock {
    fixed: Option<Timestamp>,
    zone: TimeZone,
}

impl Clock {
    pub fn system() -> Self {
        Self { fixed: None, zone: TimeZone::system() }
    }

    /// A clock that stands still, in UTC.
    pub fn fixed(at: Timestamp) -> Self {
        Self { fixed: Some(at), zone: TimeZone::UTC }
    }

    pub fn now(&self) -> Timestamp {
        self.fixed.unwrap_or_else(|| Timestamp(jiff::Timestamp::now().as_millisecond()))
    }

    fn zoned(&self, at: Timestamp) -> jiff::Zoned {
        jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(self.zone.clone())
    }

    /// `11:02:44`.
    pub fn seconds(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%H:%M:%S").to_string()
    }

    /// `11:02` today, `21 Nov 11:02` on another day.
    pub fn minutes(&self, at: Timestamp) -> String {
        let (then, now) = (self.zoned(at), self.zoned(self.now()));
        if then.date() == now.date() { then.strftime("%H:%M").to_string() } else { then.strftime("%-d %b %H:%M").to_string() }
    }

    pub fn date(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%-d %B %Y").to_string()
    }

    /// The midnight before `days` days ago: 0 is the start of today.
    pub fn midnight(&self, days: i64) -> Timestamp {
        let now = self.zoned(self.now());
        let start = now.start_of_day().and_then(|day| day.checked_sub(jiff::Span::new().days(days)));
        start.map_or(self.now(), |day| Timestamp(day.timestamp().as_millisecond()))
    }
}

/// `4:12`, `1:04:12`.
pub fn countdown(left: Millis) -> String {
    let s = left.0 / 1000;
    if s >= 3600 { format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60) } else { format!("{}:{:02}", s / 60, s % 60) }
}

/// `12 s`, `4 min`, `3 h`, `2 days`.
pub fn span(span: Millis) -> String {
    match span.0 / 1000 {
        s @ 0..=89 => format!("{s} s"),
        s @ 90..=5399 => format!("{} min", s / 60),
        s @ 5400..=172_799 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}

/// `€12,480.50`; the code where there is no sign.
pub fn money(micros: u64, currency: &str) -> String {
    let digits = (micros / 1_000_000).to_string();
    let mut whole = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            whole.push(',');
        }
        whole.push(digit);
    }
    let sum = format!("{whole}.{:02}", micros % 1_000_000 / 10_000);
    match currency {
        "EUR" => format!("€{sum}"),
        "USD" => format!("${sum}"),
        "GBP" => format!("£{sum}"),
        other => format!("{sum} {other}"),
    }
}

pub fn cents(cents: i64, currency: &str) -> String {
    money(u64::try_from(cents).unwrap_or(0).saturating_mul(10_000), currency)
}

/// The plain name of an element's kind.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Textbox => "field",
        Role::Combobox | Role::Listbox => "list",
        Role::Option => "option",
        Role::Menuitem => "menu item",
        Role::Group | Role::Other => "element",
        Role::Button => "button",
        Role::Link => "link",
        Role::Checkbox => "checkbox",
        Role::Cell => "cell",
        Role::Tab => "tab",
        Role::Heading => "heading",
        Role::Image => "image",
        Role::Document => "document",
        Role::Terminal => "terminal",
        Role::Window => "window",
        Role::Dialog => "dialog",
        Role::Menu => "menu",
        Role::Radio => "radio button",
        _ => "item",
    }
}

/// `Left click on button “Publish”`.
pub fn proposal(p: &Proposal) -> String {
    let name = visible(&p.target_name);
    let on = match (p.target_role, name.is_empty()) {
        (Some(kind), false) => format!(" on {} “{name}”", role(kind)),
        (None, false) => format!(" on “{name}”"),
        _ => String::new(),
    };
    if let Some(line) = p.line.as_ref().filter(|_| runs(&p.action)) {
        let doubt = if line.known { "" } else { ", and perhaps more" };
        return format!("Run “{}”{doubt}", visible(&line.text));
    }
    match &p.action {
        Action::Type { .. } => format!("Type{}", on.replacen(" on ", " into ", 1)),
        Action::Key { .. } => format!("{}{}", action_words(&p.action), on.replacen(" on ", " in ", 1)),
        action => format!("{}{on}", action_words(action)),
    }
}

/// Whether it ends a command line.
fn runs(action: &Action) -> bool {
    match action {
        Action::Key { chord } => matches!(chord.key.0.as_str(), "Return" | "KP_Enter" | "j" | "m" | "o"),
        Action::Type { text: TypedText::Plain(text) } => text.contains(['\n', '\r']),
        _ => false,
    }
}

/// An action in a few words, without its target.
pub fn action_words(action: &Action) -> String {
    match action {
        Action::Click { count: 2.., .. } => "Double click".to_owned(),
        Action::Click { button: Button::Right, .. } => "Right click".to_owned(),
        Action::Click { button: Button::Middle, .. } => "Middle click".to_owned(),
        Action::Click { .. } => "Left click".to_owned(),
        Action::Drag { .. } => "Drag".to_owned(),
        Action::Scroll { .. } => "Scroll".to_owned(),
        Action::Move { .. } => "Move the pointer".to_owned(),
        Action::Type { text } => format!("Type {}", visible(&text.shown())),
        Action::Key { chord } => format!("Press {}", key(chord)),
        Action::Wait { span: time } => format!("Wait {}", span(*time)),
        Action::Launch { program, .. } => format!("Start {}", visible(program)),
    }
}

/// A chord as it is printed on keyboards.
pub fn key(chord: &Chord) -> String {
    let name = chord.to_string();
    let names = [("Return", "Enter"), ("BackSpace", "Backspace"), ("Page_Up", "Page Up"), ("Page_Down", "Page Down")];
    names.iter().fold(name, |name, (from, to)| name.replace(from, to))
}

/// What a step of a procedure does, without how one sees that it is done and why: `Click the button “Publish”`.
pub fn step(text: &str) -> String {
    let text = visible(text).replace("\\t", " → ").replace("\\n", "");
    let mut words = String::with_capacity(text.len());
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        let rest = &text[at..];
        if !quoted && (rest.starts_with(", then ") || rest.starts_with(". Because ")) {
            break;
        }
        match c {
            '"' => {
                words.push(if quoted { '”' } else { '“' });
                quoted = !quoted;
            }
            other => words.push(other),
        }
    }
    words.trim_end_matches(['.', ':']).to_owned()
}

/// `step 5 of 14 · row 9 of 12`; of a procedure that is one loop only the row.
pub fn place(step: &StepRef) -> String {
    match step.turn {
        Some(turn) if step.of <= 1 => format!("row {} of {}", turn.at, turn.of),
        Some(turn) => format!("step {} of {} · row {} of {}", step.number, step.of, turn.at, turn.of),
        None => format!("step {} of {}", step.number, step.of),
    }
}

/// What a rule is about, by the last part of its name: `external.publish` is `Publish`.
pub fn rule(id: &str) -> String {
    let last = match id.rsplit('.').next().unwrap_or(id) {
        "payment" => "Pay",
        "form" => "Send a form",
        "command" => "Run a command",
        other => other,
    };
    capital(&visible(last).replace(['_', '-'], " "))
}

/// With a capital in front.
pub fn capital(text: &str) -> String {
    let mut letters = text.trim().chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

pub fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "Low",
        Risk::Medium => "Medium",
        Risk::High => "High",
    }
}

/// With a capital in front and a full stop behind.
pub fn sentence(text: &str) -> String {
    let mut out = capital(text);
    if !out.is_empty() && !out.ends_with(['.', '!', '?', '…', ':']) {
        out.push('.');
    }
    out
}

/// The last action on a tile: `click Publish`, `key Ctrl+S`.
pub fn last_action(action: &Action, target: Option<&str>) -> String {
    match action {
        Action::Key { chord } => format!("key {}", key(chord)),
        Action::Launch { program, .. } => format!("start {program}"),
        Action::Click { .. } | Action::Drag { .. } => match target {
            Some(name) if !name.is_empty() => format!("{} {}", action.verb().replace('_', " "), visible(name)),
            _ => action.verb().replace('_', " "),
        },
        other => other.verb().replace('_', " "),
    }
}

/// The text of a type action that may be shown.
pub fn typed(action: &Action) -> Option<String> {
    match action {
        Action::Type { text: text @ (TypedText::Plain(_) | TypedText::Secret(_)) } => Some(visible(&text.shown())),
        _ => None,
    }
}

/// On one line: line ends and tabulators as signs, and what does not show or poses as another spelled out.
pub fn visible(text: &str) -> String {
    mz_protocol::visible(&text.replace('\n', "¶").replace('\t', "→"))
}

pub use mz_protocol::has_unusual;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_characters_are_seen() {
        assert_eq!(visible("pay\u{202E}gpj.exe"), "pay‹U+202E›gpj.exe");
        assert_eq!(visible("\u{430}telier.com"), "‹U+0430›telier.com");
        assert_eq!(visible("Привет, Ελλάδα"), "Привет, Ελλάδα");
        assert_eq!(visible("a\nb"), "a¶b");
        assert!(has_unusual("a\u{200B}b") && !has_unusual("Größe – 12 €"));
    }

    #[test]
    fn steps_are_said_short() {
        let long = "Click the button \"Publish, then go\", then the text \"x\" is shown. Because \"it is due.\"";
        assert_eq!(step(long), "Click the button “Publish, then go”");
        assert_eq!(step("For each file of \"invoices\" as invoice:"), "For each file of “invoices” as invoice");
        assert_eq!(step("Type \"GS-1\\tGlassworks\\n\""), "Type “GS-1 → Glassworks”");
        assert_eq!(rule("external.publish"), "Publish");
        assert_eq!(sentence("people outside will see it"), "People outside will see it.");
    }

    #[test]
    fn a_procedure_that_is_one_loop_counts_rows() {
        let at = |number, of, turn| StepRef {
            procedure: "p".parse().expect("a plain name"),
            line: 1,
            number,
            of,
            text: String::new(),
            turn,
        };
        let row = Some(mz_protocol::Turn { at: 2, of: 3 });
        assert_eq!(place(&at(1, 1, row)), "row 2 of 3");
        assert_eq!(place(&at(5, 14, row)), "step 5 of 14 · row 2 of 3");
        assert_eq!(place(&at(5, 14, None)), "step 5 of 14");
    }

    #[test]
    fn spans_and_sums_read_as_people_say_them() {
        assert_eq!(countdown(Millis(252_000)), "4:12");
        assert_eq!(countdown(Millis(3_852_000)), "1:04:12");
        assert_eq!(span(Millis(41_000)), "41 s");
        assert_eq!(money(3_120_000, "EUR"), "€3.12");
        assert_eq!(money(12_480_500_000, "EUR"), "€12,480.50");
        assert_eq!(money(5_000, "NOK"), "0.00 NOK");
    }

    #[test]
    fn a_fixed_clock_knows_its_midnight() {
        let clock = Clock::fixed(Timestamp(1_795_345_361_000));
        assert_eq!(clock.seconds(Timestamp(1_795_345_361_000)), "11:02:41");
        assert_eq!(clock.minutes(clock.midnight(0)), "00:00");
        assert_eq!(clock.midnight(0).0 - clock.midnight(7).0, 7 * 86_400_000);
    }
}
