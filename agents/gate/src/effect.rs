//! What an action would do outside of the worker's own desktop, told from where it lands.

use mz_protocol::{Action, Button, Chord, Effect, Modifiers, Role, TypedText};

use crate::pending::has_controls;
use crate::shell;

mod words;

pub use words::is_browser;
use words::{LOCAL_WORDS, field_intent, is_mail, is_outside, is_terminal, meaning, names_payment, words};

/// What is known of an action before it is proposed.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    pub action: &'a Action,
    pub application: &'a str,
    pub window_title: &'a str,
    pub host: Option<&'a str>,
    /// Of the element that gets the action; for keys, of the one that has the focus.
    pub target_role: Option<Role>,
    pub target_name: &'a str,
    /// Typed into this application since the last Return.
    pub pending_text: &'a str,
    /// Recalled, completed or pasted: the line is not known to be `pending_text`.
    pub line_unknown: bool,
    /// The field takes several lines, so that Return is only a new line.
    pub multiline: bool,
}

/// What follows from a draft. `intent` is one of `publish`, `send`, `delete`, `pay`, `confirm`, `push`,
/// `command`, `form`, `login` and the empty string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inference {
    pub effect: Effect,
    pub intent: &'static str,
    /// It sends a form or runs a line.
    pub submits: bool,
    pub browser: bool,
    pub terminal: bool,
    pub privilege: bool,
    pub pipe_to_shell: bool,
}

/// The effect alone; see [`infer`].
pub fn infer_effect(draft: &Draft<'_>) -> Effect {
    infer(draft).effect
}

/// Reads an action's outside effect from application, host, target, verb and typed text.
pub fn infer(draft: &Draft<'_>) -> Inference {
    let browser = is_browser(draft.application);
    let terminal = !browser && (is_terminal(draft.application) || draft.target_role == Some(Role::Terminal));
    let mut found = Inference {
        effect: Effect::None,
        intent: "",
        submits: submits(draft.action),
        browser,
        terminal,
        privilege: false,
        pipe_to_shell: false,
    };
    if let Action::Launch { program, args } = draft.action {
        found.launch(program, args);
    } else if terminal {
        found.line(draft);
    } else if browser {
        found.page(draft);
    } else {
        found.program(draft);
    }
    found
}

impl Inference {
    fn raise(&mut self, effect: Effect, intent: &'static str) {
        if shell::rank(effect) > shell::rank(self.effect) {
            (self.effect, self.intent) = (effect, intent);
        }
    }

    fn take_line(&mut self, text: &str) -> shell::Line {
        let line = shell::read(text);
        self.privilege |= line.privilege;
        self.pipe_to_shell |= line.pipe_to_shell;
        line
    }

    fn launch(&mut self, program: &str, args: &[String]) {
        let runs = args.iter().any(|arg| matches!(arg.as_str(), "-e" | "-x" | "-c" | "--" | "--command" | "--execute"));
        if runs || is_terminal(program) && !args.is_empty() {
            for text in args.iter().cloned().chain([args.join(" ")]) {
                let line = self.take_line(&text);
                self.raise(line.effect, line.intent);
            }
            self.raise(Effect::External, "command");
        }
        for arg in args {
            self.address(arg);
        }
    }

    /// An address that does something when it is opened.
    fn address(&mut self, text: &str) {
        let lower = text.trim().to_lowercase();
        if lower.starts_with("mailto:") {
            return self.raise(Effect::External, "send");
        }
        if let Some((_, rest)) = lower.split_once("://") {
            let path = rest.split_once(['/', '?']).map_or("", |(_, path)| path);
            let mut words = path.split(|c: char| !c.is_alphanumeric());
            if let Some((effect, intent)) = words.find_map(|word| {
                matches!(word, "delete" | "publish" | "pay" | "send" | "trash").then(|| meaning(word)).flatten()
            }) {
                self.raise(effect, intent);
            }
        }
    }

    fn line(&mut self, draft: &Draft<'_>) {
        let text = typed(draft);
        let line = self.take_line(&text);
        if pastes(draft) {
            // What is pasted may end in a Return.
            self.raise(Effect::External, "command");
        }
        if !self.submits {
            return;
        }
        self.raise(line.effect, line.intent);
        if draft.line_unknown || has_controls(&text) {
            self.raise(Effect::External, "command");
        }
    }

    fn page(&mut self, draft: &Draft<'_>) {
        let outside = is_outside(draft.host);
        let on_bar = is_address_bar(draft);
        match draft.action {
            Action::Click { .. } => self.press(draft, outside),
            Action::Type { .. } | Action::Key { .. } if self.submits => {
                let control = matches!(draft.action, Action::Key { chord } if chord.modifiers.contains(Modifiers::CTRL));
                let newline = draft.multiline && !control;
                if on_bar {
                    self.address(&typed(draft));
                } else if is_pressable(draft.target_role) {
                    self.press(draft, outside);
                } else if outside && !newline {
                    match field_intent(draft.target_name) {
                        "login" => self.intent = "login",
                        "search" => {}
                        _ => self.raise(Effect::External, "form"),
                    }
                }
            }
            Action::Key { chord } if is_space(chord) && is_pressable(draft.target_role) => {
                self.submits = true;
                self.press(draft, outside);
            }
            _ => {}
        }
    }

    /// A click on something in a page.
    fn press(&mut self, draft: &Draft<'_>, outside: bool) {
        if matches!(draft.action, Action::Click { button: Button::Right | Button::Middle, .. }) {
            return;
        }
        let words = words(draft.target_name);
        // In the text of a long link such a word is only a word.
        let counts = draft.target_role != Some(Role::Link) || words.len() <= 3;
        let is_field =
            matches!(draft.target_role, Some(Role::Textbox | Role::Heading | Role::Document | Role::Image | Role::Text));
        if counts && !is_field {
            for (effect, intent) in words.iter().filter_map(|word| meaning(word)) {
                self.raise(effect, intent);
            }
            // "Payments" opens a page; "Submit payment" pays.
            if self.effect != Effect::None && names_payment(&words) {
                self.raise(Effect::Irreversible, "pay");
            }
            self.submits |= self.effect != Effect::None;
        }
        if field_intent(draft.target_name) == "login" && draft.target_role == Some(Role::Button) && self.effect == Effect::None
        {
            (self.intent, self.submits) = ("login", true);
        }
        // A button without a name could be any.
        if outside && words.is_empty() && draft.target_role == Some(Role::Button) {
            self.submits = true;
            self.raise(Effect::External, "form");
        }
    }

    /// Any other program: mail, and buttons that speak of the outside.
    fn program(&mut self, draft: &Draft<'_>) {
        let mail = is_mail(draft.application);
        match draft.action {
            Action::Click { .. } => {}
            Action::Key { chord } if mail && self.submits && chord.modifiers.contains(Modifiers::CTRL) => {
                return self.raise(Effect::Irreversible, "send");
            }
            Action::Key { chord } if self.submits || is_space(chord) => {}
            _ => return,
        }
        if !is_pressable(draft.target_role) {
            return;
        }
        for word in words(draft.target_name) {
            let outward =
                matches!(meaning(&word), Some((_, "publish" | "send" | "pay"))) && !LOCAL_WORDS.contains(&word.as_str());
            if let Some((effect, intent)) = meaning(&word).filter(|_| outward || mail) {
                self.raise(effect, intent);
            }
        }
    }
}

/// The line that this action is part of.
fn typed(draft: &Draft<'_>) -> String {
    match draft.action {
        Action::Type { text: TypedText::Plain(text) } => format!("{}{text}", draft.pending_text),
        _ => draft.pending_text.to_owned(),
    }
}

fn submits(action: &Action) -> bool {
    match action {
        Action::Type { text: TypedText::Plain(text) } => text.contains(['\n', '\r']),
        Action::Key { chord } => is_return(chord),
        _ => false,
    }
}

fn is_return(chord: &Chord) -> bool {
    let control = chord.modifiers.contains(Modifiers::CTRL);
    match chord.key.0.to_ascii_lowercase().as_str() {
        "return" | "kp_enter" | "iso_enter" | "linefeed" | "enter" => true,
        "j" | "m" | "o" => control && !chord.modifiers.contains(Modifiers::SHIFT),
        _ => false,
    }
}

fn pastes(draft: &Draft<'_>) -> bool {
    match draft.action {
        Action::Click { button: Button::Middle, .. } => true,
        Action::Click { .. } => words(draft.target_name).first().is_some_and(|word| word == "paste" || word == "einfügen"),
        Action::Key { chord } => match chord.key.0.to_ascii_lowercase().as_str() {
            "insert" => chord.modifiers.contains(Modifiers::SHIFT),
            "v" => chord.modifiers.contains(Modifiers::CTRL | Modifiers::SHIFT),
            _ => false,
        },
        // A file or text that is dropped.
        Action::Drag { .. } => draft.target_role != Some(Role::Scrollbar),
        _ => false,
    }
}

fn is_space(chord: &Chord) -> bool {
    matches!(chord.key.0.as_str(), "space" | " " | "KP_Space")
}

fn is_pressable(role: Option<Role>) -> bool {
    matches!(role, Some(Role::Button | Role::Link | Role::Menuitem | Role::Option | Role::Tab | Role::Checkbox))
}

fn is_address_bar(draft: &Draft<'_>) -> bool {
    let name = draft.target_name.to_lowercase();
    draft.target_role == Some(Role::Textbox)
        && ["address and search bar", "search or enter address", "adress- und suchleiste"]
            .iter()
            .any(|bar| name.starts_with(bar))
}

#[cfg(test)]
mod tests {
    use mz_protocol::Point;

    use super::*;

    fn click() -> Action {
        Action::Click { at: Point::new(10, 10), button: Button::Left, count: 1, modifiers: Modifiers::empty() }
    }

    fn key(text: &str) -> Action {
        Action::Key { chord: text.parse().unwrap() }
    }

    fn draft<'a>(action: &'a Action, application: &'a str, role: Option<Role>, name: &'a str) -> Draft<'a> {
        Draft {
            action,
            application,
            window_title: "",
            host: Some("cms.atelier.local"),
            target_role: role,
            target_name: name,
            pending_text: "",
            line_unknown: false,
            multiline: false,
        }
    }

    #[test]
    fn pages() {
        use Effect::{External, Irreversible, None as Nothing};
        let table: [(Action, Option<Role>, &str, Effect, &str); 24] = [
            (click(), Some(Role::Button), "Publish", External, "publish"),
            (click(), Some(Role::Button), "Publish now…", External, "publish"),
            (click(), Some(Role::Button), "Pub\u{200b}lish", External, "publish"),
            (click(), Some(Role::Button), "Update", External, "publish"),
            (click(), Some(Role::Button), "Send message", Irreversible, "send"),
            (click(), Some(Role::Button), "Submit & pay", Irreversible, "pay"),
            (click(), Some(Role::Button), "Veröffentlichen", External, "publish"),
            (click(), Some(Role::Link), "Delete", Irreversible, "delete"),
            (click(), Some(Role::Link), "How to delete your account for good", Nothing, ""),
            (click(), Some(Role::Button), "Sign in", Nothing, "login"),
            (click(), Some(Role::Button), "Save draft", Nothing, ""),
            (click(), Some(Role::Button), "", External, "form"),
            (click(), Some(Role::Textbox), "Update notes", Nothing, ""),
            (click(), None, "Publish", External, "publish"),
            (key("Return"), Some(Role::Textbox), "Title", External, "form"),
            (key("Return"), None, "", External, "form"),
            (key("Return"), Some(Role::Button), "Publish", External, "publish"),
            (key("space"), Some(Role::Button), "Publish", External, "publish"),
            (key("Return"), Some(Role::Button), "Cancel", Nothing, ""),
            (key("Return"), Some(Role::Textbox), "Password", Nothing, "login"),
            (key("Return"), Some(Role::Textbox), "Search posts", Nothing, ""),
            (key("Return"), Some(Role::Textbox), "Address and search bar", Nothing, ""),
            (key("Tab"), Some(Role::Button), "Publish", Nothing, ""),
            (Action::Type { text: TypedText::Plain("hello\n".into()) }, Some(Role::Textbox), "Comment", External, "form"),
        ];
        for (action, role, name, effect, intent) in table {
            let found = infer(&draft(&action, "Chromium", role, name));
            assert_eq!((found.effect, found.intent), (effect, intent), "{name:?} {action:?}");
        }
    }

    #[test]
    fn a_page_of_this_machine_has_nobody_to_send_to() {
        let key = key("Return");
        for (host, effect) in
            [(None, Effect::External), (Some("localhost"), Effect::None), (Some("127.0.0.1:8000"), Effect::None)]
        {
            assert_eq!(infer_effect(&Draft { host, ..draft(&key, "Chromium", Some(Role::Textbox), "Title") }), effect);
        }
        let multiline = Draft { multiline: true, ..draft(&key, "Chromium", Some(Role::Textbox), "Comment") };
        assert_eq!(infer_effect(&multiline), Effect::None);
        let send = "Ctrl+Return".parse().map(|chord| Action::Key { chord }).unwrap();
        assert_eq!(infer_effect(&Draft { action: &send, ..multiline }), Effect::External);
    }

    #[test]
    fn terminals_run_the_whole_line() {
        let enter = key("Return");
        let base = draft(&enter, "XTerm", Some(Role::Terminal), "");
        assert_eq!(infer_effect(&Draft { pending_text: "git push", ..base }), Effect::External);
        assert_eq!(infer_effect(&Draft { pending_text: "git status", ..base }), Effect::None);
        assert_eq!(infer_effect(&Draft { pending_text: "git status", line_unknown: true, ..base }), Effect::External);
        let typed = Action::Type { text: TypedText::Plain("push\n".into()) };
        assert_eq!(infer_effect(&Draft { action: &typed, pending_text: "git ", ..base }), Effect::External);
        let half = Action::Type { text: TypedText::Plain("git push".into()) };
        assert_eq!(infer_effect(&Draft { action: &half, ..base }), Effect::None);
        for paste in [key("Shift+Insert"), key("Ctrl+Shift+V")] {
            assert_eq!(infer_effect(&Draft { action: &paste, ..base }), Effect::External);
        }
        let completed = Action::Type { text: TypedText::Plain("./dep\t\n".into()) };
        assert_eq!(infer_effect(&Draft { action: &completed, ..base }), Effect::External);
        // The terminal inside an editor is one too.
        assert_eq!(infer_effect(&Draft { application: "Geany", pending_text: "git push", ..base }), Effect::External);
    }

    #[test]
    fn other_programs() {
        let click = click();
        for (application, name, effect) in [
            ("libreoffice-calc", "Delete", Effect::None),
            ("libreoffice-calc", "OK", Effect::None),
            ("libreoffice-calc", "Update", Effect::None),
            ("Inkscape", "Share", Effect::External),
            ("thunderbird", "Send", Effect::Irreversible),
            ("thunderbird", "Delete", Effect::Irreversible),
        ] {
            assert_eq!(infer_effect(&draft(&click, application, Some(Role::Button), name)), effect, "{application} {name}");
        }
        let launch =
            |args: &[&str]| Action::Launch { program: "XTerm".into(), args: args.iter().map(|a| (*a).to_owned()).collect() };
        for (action, effect) in [
            (launch(&[]), Effect::None),
            (launch(&["-e", "git push"]), Effect::External),
            (
                Action::Launch { program: "Chromium".into(), args: vec!["http://cms.atelier.local/wp-admin/".into()] },
                Effect::None,
            ),
            (
                Action::Launch {
                    program: "Chromium".into(),
                    args: vec!["http://cms.atelier.local/post.php?action=delete".into()],
                },
                Effect::Irreversible,
            ),
        ] {
            assert_eq!(infer_effect(&draft(&action, "", None, "")), effect, "{action:?}");
        }
    }
}
