//! Whether this machine lets sandboxes be made, and if not, which setting is in the way.

use std::time::{Duration, Instant};

use crate::error::DesktopError;
use crate::process::NEEDED;
use crate::process::spawn::Plan;

const ANSWER: Duration = Duration::from_secs(5);
/// Each setting that is known to forbid user namespaces, the value that does, and what to do.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("user.max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"),
    ("kernel.unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "kernel.apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give /usr/bin/bwrap an AppArmor profile that allows userns",
    ),
];

/// Makes the smallest sandbox there is.
pub(super) fn try_one(uid: Option<u32>) -> Result<(), DesktopError> {
    let mut plan = Plan::new(NEEDED[0].0.into(), uid)?;
    plan.arg(&["--unshare-user", "--unshare-pid", "--unshare-net", "--die-with-parent"]);
    plan.arg(&["--ro-bind", "/", "/", "--", "/usr/bin/true"]);
    let refused = |detail: String| DesktopError::NoUserNamespaces { detail, fix: fix(setting) };
    let (mut child, log) = plan.spawn()?;
    let end = Instant::now() + ANSWER;
    loop {
        let status = child.try_wait().map_err(DesktopError::io("waiting for bubblewrap"))?;
        match status {
            Some(status) if status.success() => return Ok(()),
            Some(_) => return Err(refused(log.lines(3).join("; "))),
            None if Instant::now() > end => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(refused("bubblewrap did not end within 5 s".into()));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn setting(name: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()
}

/// What to do, by what the settings say.
fn fix(read: impl Fn(&str) -> Option<String>) -> String {
    let found = SETTINGS.iter().find(|(name, bad, _)| read(name).is_some_and(|value| value.trim() == *bad));
    match found {
        Some((name, value, fix)) => {
            format!("the kernel's setting {name} is {value}: {fix} (and put it into /etc/sysctl.d to keep it)")
        }
        None => {
            let names: Vec<&str> = SETTINGS.iter().map(|(name, ..)| *name).collect();
            format!(
                "none of the settings {} forbids it, so something around this program does: inside a container, start the \
                 container with user namespaces allowed",
                names.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_in_the_way_is_named() {
        for (name, bad, way_out) in SETTINGS {
            let other = if bad == "0" { "1" } else { "0" };
            let said = fix(|asked| Some(if asked == name { format!("{bad}\n") } else { good(asked).to_owned() }));
            assert!(said.contains(&format!("{name} is {bad}")) && said.contains(way_out), "{said}");
            assert_ne!(good(name), bad);
            assert_eq!(good(name), other);
        }
        let said = fix(|_| None);
        assert!(SETTINGS.iter().all(|(name, ..)| said.contains(name)) && said.contains("container"), "{said}");
    }

    fn good(name: &str) -> &'static str {
        if name.contains("restrict") { "0" } else { "1" }
    }
}
