//! The two sandboxes of a desktop as bubblewrap's arguments: one for the programs, one for the X server.

use std::path::{Path, PathBuf};

use mz_protocol::Size;

use crate::api::{DesktopSpec, Limits};
use crate::error::DesktopError;
use crate::process::seccomp;
use crate::process::spawn::Plan;
use crate::wire::{DISPLAY_NUMBER, PROXY_SOCKET};

/// The user inside, whoever it is outside.
const INNER_ID: u32 = 1000;
/// Of the host's settings only these: nothing in them is about people or secrets.
const ETC: &[&str] = &[
    "alternatives",
    "fonts",
    "ssl/certs",
    "ssl/openssl.cnf",
    "ca-certificates",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "magic",
    "terminfo",
    "X11",
    "xdg",
    "gtk-2.0",
    "chromium",
    "chromium.d",
    "libreoffice",
    "ImageMagick-6",
    "geany",
    "dbus-1",
    "at-spi2",
    "dconf",
    "python3",
    "python3.11",
    "python3.12",
    "python3.13",
    "papersize",
    "os-release",
    "debian_version",
    "profile",
    "bash.bashrc",
    "inputrc",
    "java-11-openjdk",
    "java-17-openjdk",
];
const PASSWD: &str = "root:x:0:0:root:/:/usr/sbin/nologin\nworker:x:1000:1000:Worker:/home/worker:/bin/bash\n\
                      nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nworker:x:1000:\nnogroup:x:65534:\n";
const HOSTS: &str = "127.0.0.1 localhost desktop\n::1 localhost\n";
/// Nothing blinks or slides: a screen at rest stays as it is, pixel for pixel.
const GTK: &str = "[Settings]\ngtk-cursor-blink=false\ngtk-enable-animations=false\ngtk-theme-name=Adwaita\n\
                   gtk-recent-files-enabled=false\n";
const OPENBOX: &str = include_str!("openbox.xml");

/// Once all is in its place. The folders between the mounts lie in memory: what is written there would be bounded by
/// nothing, and counted as nobody's.
const CLOSED: [&str; 4] = ["--remount-ro", "/dev", "--remount-ro", "/"];

/// What both sandboxes are made of.
pub(crate) struct Parts {
    pub bwrap: PathBuf,
    /// The host's user for the programs and that for the X server.
    pub uids: Option<(u32, u32)>,
    /// Folder for the X server's socket.
    pub x11: PathBuf,
    /// The X authority file's content.
    pub authority: Vec<u8>,
}

/// The programs' sandbox, with `inner` as its first program on descriptor `link`.
pub(crate) fn programs(parts: &Parts, spec: &DesktopSpec, inner: &Path, machine_id: &str) -> Result<Plan, DesktopError> {
    let mut plan = base(parts, parts.uids.map(|uids| uids.0))?;
    let limits = &spec.limits;
    plan.rlimits = rlimits(limits, plan.uid.is_some());
    let share = (u64::from(limits.memory_mib) << 20) / 4;
    let share = share.max(16 << 20).to_string();
    for folder in ["/tmp", "/dev/shm"] {
        plan.arg(&["--perms", "1777", "--size", &share, "--tmpfs", folder]);
    }
    plan.arg(&[
        "--size",
        "33554432",
        "--tmpfs",
        "/run",
        "--perms",
        "0700",
        "--dir",
        "/run/user/1000",
        "--dir",
        "/run/mezzanine",
    ]);
    plan.arg(&["--symlink", "/tmp", "/var/tmp", "--ro-bind-try", "/var/cache/fontconfig", "/var/cache/fontconfig"]);
    plan.arg(&["--symlink", "/run", "/var/run"]);
    let home = plan.reach(&spec.home)?;
    plan.arg(&["--bind", &home, "/home/worker"]);
    let x11 = plan.reach(&parts.x11)?;
    plan.arg(&["--ro-bind", &x11, "/tmp/.X11-unix"]);
    let inner = plan.reach(inner)?;
    plan.arg(&["--ro-bind", &inner, "/run/mezzanine/desktop"]);
    if let Some(proxy) = &spec.proxy {
        let proxy = plan.reach(proxy)?;
        plan.arg(&["--ro-bind", &proxy, PROXY_SOCKET]);
    }
    for name in ETC {
        let path = format!("/etc/{name}");
        // A link is resolved by bubblewrap; one that leads nowhere is left out.
        plan.arg(&["--ro-bind-try", &path, &path]);
    }
    let files: [(&[u8], &str); 8] = [
        (PASSWD.as_bytes(), "/etc/passwd"),
        (GROUP.as_bytes(), "/etc/group"),
        (HOSTS.as_bytes(), "/etc/hosts"),
        (machine_id.as_bytes(), "/etc/machine-id"),
        (GTK.as_bytes(), "/etc/gtk-3.0/settings.ini"),
        (GTK.as_bytes(), "/etc/gtk-4.0/settings.ini"),
        (OPENBOX.as_bytes(), "/run/mezzanine/openbox.xml"),
        (&parts.authority, "/run/mezzanine/Xauthority"),
    ];
    for (content, path) in files {
        let fd = plan.content(content)?;
        plan.arg(&["--ro-bind-data", &fd, path]);
    }
    plan.arg(&CLOSED);
    plan.arg(&["--chdir", "/home/worker"]);
    Ok(plan)
}

/// The X server's sandbox; it writes its number to descriptor `ready` when it listens.
pub(crate) fn x_server(parts: &Parts, size: Size, ready: std::os::fd::OwnedFd) -> Result<Plan, DesktopError> {
    let mut plan = base(parts, parts.uids.map(|uids| uids.1))?;
    plan.rlimits = vec![(libc::RLIMIT_CORE, 0), (libc::RLIMIT_NOFILE, 1024), (libc::RLIMIT_FSIZE, 256 << 20)];
    if plan.uid.is_some() {
        plan.rlimits.push((libc::RLIMIT_NPROC, 64));
    }
    plan.arg(&["--size", "33554432", "--tmpfs", "/tmp", "--size", "4194304", "--tmpfs", "/var/lib/xkb"]);
    let x11 = plan.reach(&parts.x11)?;
    plan.arg(&["--bind", &x11, "/tmp/.X11-unix"]);
    for path in ["/etc/fonts", "/etc/X11", "/etc/alternatives", "/etc/ld.so.cache"] {
        plan.arg(&["--ro-bind-try", path, path]);
    }
    for (content, path) in [(PASSWD.as_bytes(), "/etc/passwd"), (&parts.authority, "/etc/Xauthority")] {
        let fd = plan.content(content)?;
        plan.arg(&["--ro-bind-data", &fd, path]);
    }
    plan.arg(&CLOSED);
    let ready = plan.inherit(ready);
    let screen = format!("{}x{}x24", size.width, size.height);
    let display = format!(":{DISPLAY_NUMBER}");
    plan.arg(&["--chdir", "/", "--", "/usr/bin/Xvfb", &display, "-screen", "0", &screen, "-displayfd", &ready]);
    plan.arg(&["-auth", "/etc/Xauthority", "-nolisten", "tcp", "-noreset", "-nocursor", "-dpi", "96", "-s", "0"]);
    plan.arg(&[
        "+extension",
        "DAMAGE",
        "+extension",
        "MIT-SHM",
        "+extension",
        "XTEST",
        "+extension",
        "RANDR",
        "-extension",
        "GLX",
    ]);
    Ok(plan)
}

/// What every sandbox has: namespaces of its own, a read-only system, and the system call filter.
fn base(parts: &Parts, uid: Option<u32>) -> Result<Plan, DesktopError> {
    let mut plan = Plan::new(parts.bwrap.clone(), uid)?;
    let id = INNER_ID.to_string();
    plan.arg(&["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]);
    plan.arg(&["--uid", &id, "--gid", &id, "--hostname", "desktop", "--new-session", "--die-with-parent", "--clearenv"]);
    plan.arg(&["--ro-bind", "/usr", "/usr"]);
    for folder in ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] {
        match std::fs::read_link(folder) {
            Ok(target) => plan.arg(&["--symlink", &target.to_string_lossy(), folder]),
            Err(_) => plan.arg(&["--ro-bind-try", folder, folder]),
        }
    }
    plan.arg(&["--proc", "/proc", "--dev", "/dev", "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin:/usr/games"]);
    let filter = plan.content(&seccomp::program()?)?;
    plan.arg(&["--seccomp", &filter]);
    Ok(plan)
}

/// Whether the kernel counts processes for each user namespace by itself (5.14), and not for the user as a whole.
pub(crate) fn counts_processes() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut parts = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (parts.next(), parts.next()) >= (Some(5), Some(14))
}

fn rlimits(limits: &Limits, own_uid: bool) -> Vec<(u32, u64)> {
    let mut list = vec![
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_NOFILE, 8192),
        (libc::RLIMIT_FSIZE, u64::from(limits.disk_mib) << 20),
        (libc::RLIMIT_MEMLOCK, 8 << 20),
        (libc::RLIMIT_RTPRIO, 0),
    ];
    if own_uid {
        // Counted for the user as a whole, so only where the worker has a user of its own.
        list.push((libc::RLIMIT_NPROC, u64::from(limits.processes)));
    }
    list
}
