//! A company made for a benchmark: so many workers, each with one order to type into a real editor.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use mz_protocol::{Snapshot, WorkerId, WorkerState};

/// Short words: the editor offers no completions for them.
const LINE: &str = "an ox in the bog ate all of our red jam so we ran to the inn and had tea and a bun by the fir log ";

/// The company's folder and the state of its engine, gone when dropped.
pub struct Premises {
    folder: tempfile::TempDir,
    pub workers: Vec<WorkerId>,
}

impl Premises {
    /// Each worker opens an editor and types this many lines.
    pub fn new(workers: usize, lines: usize) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("mz-bench-").tempdir().context("no folder for the benchmark")?;
        // The desktops' users pass through it to reach their homes.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711))?;
        let workers = (1..=workers).map(|n| WorkerId::new(format!("typist-{n:02}"))).collect::<Result<Vec<_>, _>>()?;
        let premises = Self { folder, workers };
        premises.write_company(lines).context("cannot write the benchmark's company")?;
        Ok(premises)
    }

    pub fn company(&self) -> PathBuf {
        self.folder.path().join("company")
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("engine.log")
    }

    fn write_company(&self, lines: usize) -> anyhow::Result<()> {
        let root = self.company();
        write(
            &root.join("COMPANY.md"),
            "---\nschema: agentcompanies/v1\nname: Bench\nslug: bench\ndescription: Workers that type, for a benchmark.\nmetadata:\n  \
             mezzanine:\n    currency: EUR\n---\nWorkers that type.\n",
        )?;
        let steps: String = (0..lines).fold(String::new(), |mut steps, n| {
            let _ = writeln!(steps, "{}. Type \"{LINE}\\n\".", n + 3);
            steps
        });
        let skill = format!(
            "---\nname: Write pages\ndescription: Types lines into a file and saves it.\nmetadata:\n  mezzanine:\n    inputs: \
             [file]\n---\n## Steps\n\n1. Open \"Geany\" with \"{{file}}\".\n2. Wait until the title contains \
             \"{{file}}\".\n{steps}{}. Press Ctrl+S, then the file \"{{file}}\" exists.\n",
            lines + 3
        );
        write(&root.join("skills/write-pages/SKILL.md"), &skill)?;
        write(
            &root.join("skills/write-pages/CHECK.yaml"),
            "checks:\n  written:\n    - {name: \"{file} holds the pages\", points: 1, kind: file, file: \"{file}\", contains: \"an ox\"}\n",
        )?;
        let includes: Vec<String> = self.workers.iter().map(|worker| format!("../../agents/{worker}/AGENTS.md")).collect();
        write(&root.join("teams/office/TEAM.md"), &format!("---\nname: Office\nincludes: [{}]\n---\n", includes.join(", ")))?;
        let mut orders = "orders:\n".to_owned();
        for (index, worker) in self.workers.iter().enumerate() {
            self.write_worker(worker)?;
            let _ = writeln!(
                orders,
                "  - {{id: WO-{:04}, title: Write pages, owner: {worker}, procedure: write-pages, inputs: {{file: pages.txt}}}}",
                index + 1
            );
        }
        write(&root.join("orders/pages.yaml"), &orders)
    }

    fn write_worker(&self, worker: &WorkerId) -> anyhow::Result<()> {
        let root = self.company();
        let agent = format!(
            "---\nname: {worker}\ntitle: Typist\nskills: [write-pages]\nmetadata:\n  mezzanine:\n    programs:\n      - {{name: Geany, \
             command: [geany, -i, \"{{args}}\"], package: geany}}\n    env:\n      XDG_CONFIG_HOME: /home/worker/settings\n---\nYou \
             type.\n"
        );
        write(&root.join(format!("agents/{worker}/AGENTS.md")), &agent)?;
        // A cursor that blinks would be taken for a letter.
        let settings = format!("profiles/{worker}/settings/gtk-3.0/settings.ini");
        write(&root.join(settings), "[Settings]\ngtk-cursor-blink=false\n")
    }
}

/// Why a worker does not go on by itself, if one does not.
pub fn stuck(snapshot: &Snapshot) -> Option<String> {
    snapshot.workers.iter().find_map(|worker| match &worker.state {
        WorkerState::NeedsHelp { reason, .. } => Some(format!("{} asks for help: {reason}", worker.id)),
        WorkerState::Failed { why } => Some(format!("the desktop of {} ended: {why}", worker.id)),
        WorkerState::NeedsApproval { approval, .. } => Some(format!("{} waits for the approval {approval}", worker.id)),
        _ => None,
    })
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_company_is_sound() -> anyhow::Result<()> {
        let premises = Premises::new(16, 30)?;
        let company = mz_company::Company::load(&premises.company()).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
        let faults = company.check();
        anyhow::ensure!(faults.is_empty(), "{faults:?}");
        assert_eq!(company.workers.len(), 16);
        assert_eq!(company.orders.len(), 16);
        Ok(())
    }
}
