use std::io;
use std::path::PathBuf;

/// Why a desktop did not do what was asked. Each says what was tried, on what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DesktopError {
    #[error("this machine lets no ordinary program make user namespaces, which every desktop needs ({detail}); {fix}")]
    NoUserNamespaces { detail: String, fix: String },
    #[error(
        "{engines} engines of root run on this machine, and there are user ids for no more: end one (mezzanine down). Its lock is \
         in {}", folder.display()
    )]
    NoUsers { engines: u32, folder: PathBuf },
    #[error("{program} is not installed: apt install {package}")]
    ProgramMissing { program: String, package: String },
    #[error("the program {name:?} is not among those of this worker's role: {known}")]
    UnknownProgram { name: String, known: String },
    #[error("the program inside the desktops, mezzanine-desktop, was not found in {tried}: set MEZZANINE_DESKTOP to its path")]
    NoInnerProgram { tried: String },
    #[error("desktop number {number} cannot be used: it is taken by this engine or not below {most}")]
    Number { number: u16, most: u16 },
    #[error("a desktop of {width}x{height} pixels cannot be made: use 64 to 8192 on each side")]
    BadSize { width: u16, height: u16 },
    #[error("{step} failed: {source}")]
    Io { step: String, source: io::Error },
    #[error("the X server of the desktop: {0}")]
    Display(String),
    #[error("the desktop did not answer {what} within {within_ms} ms: it may be overloaded; try again or restart it")]
    Slow { what: &'static str, within_ms: u64 },
    #[error("the desktop is frozen: thaw it before {0}")]
    Frozen(&'static str),
    #[error("the desktop refused: {0}")]
    Refused(String),
    #[error("the desktop has ended: {0}")]
    Ended(String),
    #[error("the desktop broke its protocol: {0}")]
    Protocol(String),
    #[error("the file {path:?} of the worker's home: {why}")]
    File { path: String, why: String },
    #[error("the character {0:?} cannot be typed")]
    Untypable(char),
}

impl DesktopError {
    pub(crate) fn io(step: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let step = step.into();
        move |source| Self::Io { step, source }
    }

    pub(crate) fn display(what: &str, source: impl std::fmt::Display) -> Self {
        Self::Display(format!("{what}: {source}"))
    }
}
