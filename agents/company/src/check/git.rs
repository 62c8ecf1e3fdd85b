//! A repository that a worker committed to, or that it pushed to.

use std::time::Duration;

use super::Found;
use super::command::{Ended, confined, run};
use super::copy::Copy;
use super::file::{contains, short};
use super::places::Looker;
use super::spec::GitCheck;

const WITHIN: Duration = Duration::from_secs(30);

/// git reads settings from the repository, and settings can name programs: so git runs in the sandbox too.
struct Repository<'a> {
    copy: Copy,
    looker: &'a Looker<'a>,
}

impl<'a> Repository<'a> {
    fn open(path: &str, looker: &'a Looker<'a>) -> Result<Self, String> {
        Ok(Self { copy: Copy::make(path, looker)?, looker })
    }

    fn git(&self, args: &[&str]) -> Result<Ended, String> {
        let fixed = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];
        let argv: Vec<String> = fixed.iter().chain(args).map(|word| (*word).to_owned()).collect();
        run(confined(&argv, &self.copy, WITHIN)?, WITHIN)
    }

    /// What git says, or none where it ends with an error.
    fn ask(&self, args: &[&str]) -> Result<Option<String>, String> {
        let ended = self.git(args)?;
        Ok(ended.status.success().then_some(ended.out))
    }
}

pub(crate) fn look(check: &GitCheck, looker: &Looker<'_>) -> Found {
    let repository = Repository::open(&check.repo, looker)?;
    let branch = check.branch.as_deref().map(|branch| looker.fill(branch)).transpose()?;
    let name = branch.clone().unwrap_or_else(|| "HEAD".to_owned());
    // A branch that begins with a hyphen would be read as an option.
    if name.starts_with('-') {
        return Err(format!("{} is no branch.", short(&name)));
    }
    let commit = repository.ask(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])?;
    let Some(commit) = commit.map(|commit| commit.trim().to_owned()) else {
        let ended = repository.git(&["rev-parse", "--git-dir"])?;
        let why = if ended.status.success() {
            format!("It has no branch {name:?} with a commit.")
        } else {
            format!("It is no repository. {}", ended.last_words())
        };
        return Err(format!("{}: {why}", check.repo));
    };
    let mut found = format!("{name} is at {}", &commit[..commit.len().min(10)]);
    let wanted = looker.fill_all(&check.log_contains.0)?;
    if !wanted.is_empty() {
        let log = repository.ask(&["log", "-n", "200", "--format=%B", &commit, "--"])?.unwrap_or_default();
        contains("The log", &log, &wanted, &[])?;
        found.push_str(&format!(", its log contains {}", short(&wanted[0])));
    }
    if let Some(file) = &check.file {
        in_commit(check, &repository, &commit, &looker.fill(file)?)?;
        found.push_str(", the file in it is as it should be");
    }
    if let Some(bare) = &check.pushed_to {
        pushed(&repository, bare, &name, &commit)?;
        found.push_str(", and it was pushed");
    }
    if check.clean {
        clean(&repository)?;
        found.push_str(", and nothing is left uncommitted");
    }
    Ok(found + ".")
}

fn in_commit(check: &GitCheck, repository: &Repository<'_>, commit: &str, file: &str) -> Result<(), String> {
    let text = repository.ask(&["cat-file", "blob", &format!("{commit}:{file}")])?;
    let text = text.ok_or_else(|| format!("{file} is not in the last commit."))?;
    if let Some(expected) = &check.equals {
        let expected = repository.looker.fill(&expected.0)?;
        if text.trim_end() != expected.trim_end() {
            return Err(format!("{file} should say {}, and says {}.", short(&expected), short(&text)));
        }
    }
    let (wanted, unwanted) = (repository.looker.fill_all(&check.contains.0)?, repository.looker.fill_all(&check.lacks.0)?);
    contains(file, &text, &wanted, &unwanted).map(drop)
}

fn pushed(repository: &Repository<'_>, bare: &str, branch: &str, commit: &str) -> Result<(), String> {
    let branch = if branch == "HEAD" {
        let current = repository.ask(&["symbolic-ref", "--short", "HEAD"])?;
        current.ok_or("HEAD is on no branch, so nothing says what was to be pushed.")?.trim().to_owned()
    } else {
        branch.to_owned()
    };
    let remote = Repository::open(bare, repository.looker)?;
    let there = remote.ask(&["merge-base", "--is-ancestor", commit, &format!("refs/heads/{branch}")])?;
    there
        .map(drop)
        .ok_or_else(|| format!("The last commit of {branch} was not pushed: the shared repository does not have it."))
}

fn clean(repository: &Repository<'_>) -> Result<(), String> {
    let status = repository.ask(&["status", "--porcelain", "--ignore-submodules=all"])?;
    let status = status.ok_or("It has no work tree to be clean.")?;
    match status.lines().next() {
        None => Ok(()),
        Some(first) => Err(format!(
            "{} files are changed and not committed, such as {}.",
            status.lines().count(),
            first.get(3..).unwrap_or(first)
        )),
    }
}
