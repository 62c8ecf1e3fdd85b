//! A repository's own tests push while a worker runs them: nothing arrives that nobody has answered for, and what was
//! approved does.

use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use mz_protocol::EventBody;
use mz_tests::{Place, atelier};

const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Runs whenever pytest does, and keeps what git said in the worker's home.
const PUSHES: &str = r#"
import subprocess

def pytest_sessionstart(session):
    pushed = subprocess.run(["git", "push", "origin", "HEAD:refs/heads/sneaked"], capture_output=True, text=True)
    try:
        with open("/home/worker/sneaked.txt", "a") as kept:
            kept.write(f"ended {pushed.returncode}: {pushed.stderr}\n")
    except OSError:
        pass
"#;

#[test]
fn a_test_that_pushes_is_refused_and_an_approved_push_arrives() -> anyhow::Result<()> {
    let place = Place::with(&atelier())?;
    for other in ["finance", "marketing", "media"] {
        std::fs::remove_file(place.company().join("orders").join(format!("{other}.yaml")))?;
    }
    place.write("services/git/source/tickets/conftest.py", PUSHES)?;
    let decisions = std::fs::read_to_string(place.company().join("decisions.toml"))?;
    let day = place.day(&decisions, &[], LONGEST)?;

    let said = std::fs::read_to_string(place.home_of("sol").join("sneaked.txt"))?;
    let tries: Vec<&str> = said.lines().filter(|line| line.starts_with("ended ")).collect();
    ensure!(tries.len() >= 2 && tries.iter().all(|line| !line.starts_with("ended 0")), "the tests pushed: {said}");
    ensure!(said.contains("403"), "something else than the broker stopped it: {said}");
    let repository = place.own_state().join("services/git/tickets.git");
    let branches = Command::new("git")
        .args(["-c", "safe.directory=*", "--git-dir"])
        .arg(&repository)
        .args(["for-each-ref", "--format=%(refname)"])
        .output()?;
    ensure!(String::from_utf8_lossy(&branches.stdout).trim() == "refs/heads/main", "{branches:?}");

    // The approved push of the same day went through the same broker.
    day.all_done()?;
    let posts: Vec<(bool, String)> = place
        .sound_events()?
        .into_iter()
        .filter_map(|record| match record.event.body {
            EventBody::NetworkRequest { method, host, allowed, why, .. } if method == "POST" && host == "git.atelier.local" => {
                Some((allowed, why))
            }
            _ => None,
        })
        .collect();
    let refused = posts.iter().filter(|(allowed, why)| !allowed && why.contains("needs an answer of the manager")).count();
    ensure!(refused >= 2 && posts.iter().any(|(allowed, _)| *allowed), "{posts:?}");
    Ok(())
}
