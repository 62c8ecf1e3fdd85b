//! What this person chose for the console: kept in one small file of their own, read at the start.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ThemeChoice {
    #[default]
    System,
    Dark,
    Light,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Prefs {
    pub theme: ThemeChoice,
    pub less_motion: bool,
    /// As the ledger names this person; empty for the name of the login.
    pub person: String,
    /// Where this is kept; None keeps nothing.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

impl Prefs {
    /// From the usual place. A file that cannot be read counts as no choice.
    pub fn load() -> Self {
        let file = place();
        let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        let prefs: Self = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self { file, ..prefs }
    }

    /// Writes the file; Err says why it could not.
    pub fn save(&self) -> Result<(), String> {
        let Some(file) = &self.file else { return Ok(()) };
        let write = || -> std::io::Result<()> {
            if let Some(dir) = file.parent() {
                std::fs::create_dir_all(dir)?;
            }
            std::fs::write(file, serde_json::to_vec_pretty(self)?)
        };
        write().map_err(|error| format!("your choice could not be kept in {}: {error}", file.display()))
    }

    pub fn apply(&self, ctx: &egui::Context) {
        ctx.set_theme(match self.theme {
            ThemeChoice::System => egui::ThemePreference::System,
            ThemeChoice::Dark => egui::ThemePreference::Dark,
            ThemeChoice::Light => egui::ThemePreference::Light,
        });
        let motion = if self.less_motion { 0.0 } else { crate::tokens::MOTION };
        let less = self.less_motion;
        ctx.all_styles_mut(|style| {
            style.animation_time = motion;
            if less {
                style.scroll_animation = egui::style::ScrollAnimation::none();
            }
        });
    }

    /// Who speaks to the engine.
    pub fn person(&self) -> mz_protocol::PersonId {
        let login = std::env::var("USER").unwrap_or_default();
        let own = [self.person.as_str(), login.as_str(), "manager"];
        let mut names = own.into_iter().filter_map(|name| mz_protocol::PersonId::new(name).ok());
        #[expect(clippy::expect_used, reason = "the last name in the line above is valid")]
        names.next().expect("manager is a valid name")
    }
}

fn place() -> Option<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let base = config.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(base.join("mezzanine/console.json"))
}
