//! Starting a child that cannot outlive the engine and has less rights than it.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crossbeam_channel::{Sender, bounded};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

use crate::error::DesktopError;

/// An empty folder that every Linux system has: under it, in a mount namespace of its own, a child finds the
/// host's folders that it binds, although its user may not walk to them.
const STAGES: [&str; 3] = ["/mnt", "/media", "/srv"];
const MOST_STAGED: usize = 8;
const LOG_BYTES: u64 = 64 * 1024;

/// A child as it is wanted.
pub(crate) struct Plan {
    pub program: PathBuf,
    pub args: Vec<String>,
    /// User and group to become; only root can.
    pub uid: Option<u32>,
    /// Resource and its limit.
    pub rlimits: Vec<(u32, u64)>,
    pub nice: i32,
    /// `cgroup.procs` of the group to join.
    pub join: Option<File>,
    /// Descriptors that the child inherits under the same number.
    pub keep: Vec<OwnedFd>,
    staged: Vec<Staged>,
    stage: Option<&'static str>,
}

/// A folder or file of the host, and where the child finds it.
struct Staged {
    source: CString,
    target: CString,
    is_folder: bool,
}

impl Plan {
    pub fn new(program: PathBuf, uid: Option<u32>) -> Result<Self, DesktopError> {
        let stage = STAGES.into_iter().find(|path| Path::new(path).is_dir());
        if uid.is_some() && stage.is_none() {
            return Err(DesktopError::Refused(format!("none of the folders {STAGES:?} exists: make one")));
        }
        Ok(Self {
            program,
            args: Vec::new(),
            uid,
            rlimits: Vec::new(),
            nice: 0,
            join: None,
            keep: Vec::new(),
            staged: Vec::new(),
            stage: stage.filter(|_| uid.is_some()),
        })
    }

    /// The path under which the child finds this file or folder of the host.
    pub fn reach(&mut self, path: &Path) -> Result<String, DesktopError> {
        let text = path.to_str().ok_or_else(|| DesktopError::Refused(format!("the path {path:?} is not UTF-8")))?;
        let Some(stage) = self.stage else { return Ok(text.to_owned()) };
        if self.staged.len() == MOST_STAGED {
            return Err(DesktopError::Refused(format!("more than {MOST_STAGED} files of the host in one sandbox")));
        }
        let target = format!("{stage}/{}", self.staged.len());
        let c = |text: &str| CString::new(text).map_err(|error| DesktopError::Refused(error.to_string()));
        self.staged.push(Staged { source: c(text)?, target: c(&target)?, is_folder: path.is_dir() });
        Ok(target)
    }

    /// A descriptor from which the child reads this content.
    pub fn content(&mut self, content: &[u8]) -> Result<String, DesktopError> {
        let make = || -> io::Result<OwnedFd> {
            let mut file = File::from(rustix::fs::memfd_create("mezzanine-file", MemfdFlags::CLOEXEC)?);
            file.write_all(content)?;
            file.rewind()?;
            Ok(file.into())
        };
        Ok(self.inherit(make().map_err(DesktopError::io("making a file for the sandbox"))?))
    }

    /// Has the child inherit it; the number as text.
    pub fn inherit(&mut self, fd: OwnedFd) -> String {
        let number = fd.as_raw_fd().to_string();
        self.keep.push(fd);
        number
    }

    pub fn arg(&mut self, args: &[&str]) {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
    }

    /// Starts it from the one thread that lives as long as the engine: a child is told of the end of the thread
    /// that made it, not of the process.
    pub fn spawn(self) -> Result<(Child, Log), DesktopError> {
        let (answer, answered) = bounded(1);
        let what = self.program.display().to_string();
        let job: Job = Box::new(move || {
            let _ = answer.send(self.spawn_here());
        });
        spawner()?.send(job).map_err(|_| DesktopError::Refused("the thread that starts desktops is gone".into()))?;
        let result = answered.recv().map_err(|_| DesktopError::Refused("the thread that starts desktops is gone".into()))?;
        result.map_err(DesktopError::io(format!("starting {what}")))
    }

    fn spawn_here(self) -> io::Result<(Child, Log)> {
        let log = Log::new()?;
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.0.try_clone()?);
        // SAFETY: between fork and exec only system calls are made; all memory was made ready before.
        unsafe {
            command.pre_exec(move || self.become_child());
        }
        Ok((command.spawn()?, log))
    }

    fn become_child(&self) -> io::Result<()> {
        check(unsafe { libc::setsid() })?;
        if let Some(join) = &self.join {
            rustix::io::write(join, b"0")?;
        }
        let score = rustix::fs::open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&score, b"1000")?;
        check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, self.nice) })?;
        if let Some(stage) = self.stage {
            self.mount_stage(stage)?;
        }
        for (resource, most) in &self.rlimits {
            let limit = libc::rlimit { rlim_cur: *most, rlim_max: *most };
            check(unsafe { libc::setrlimit(*resource, &limit) })?;
        }
        if let Some(uid) = self.uid {
            check(unsafe { libc::setgroups(0, std::ptr::null()) })?;
            check(unsafe { libc::setresgid(uid, uid, uid) })?;
            check(unsafe { libc::setresuid(uid, uid, uid) })?;
        }
        for fd in &self.keep {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?;
        }
        // Last: a change of user takes it back.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })
    }

    fn mount_stage(&self, stage: &str) -> io::Result<()> {
        let null = std::ptr::null();
        check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        check(unsafe { libc::mount(c"none".as_ptr(), c"/".as_ptr(), null, private, null.cast()) })?;
        // Opened in the new namespace, as the kernel wants it, and before the stage can hide one of them.
        let mut sources = [-1; MOST_STAGED];
        for (fd, staged) in sources.iter_mut().zip(&self.staged) {
            *fd = unsafe { libc::open(staged.source.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
            check(*fd)?;
        }
        let mut path = [0u8; 16];
        path[..stage.len()].copy_from_slice(stage.as_bytes());
        let (options, kind) = (c"mode=0755,size=64k".as_ptr().cast(), c"tmpfs".as_ptr());
        check(unsafe { libc::mount(kind, path.as_ptr().cast(), kind, libc::MS_NOSUID | libc::MS_NODEV, options) })?;
        for (fd, staged) in sources.into_iter().zip(&self.staged) {
            let target = staged.target.as_ptr();
            if staged.is_folder {
                check(unsafe { libc::mkdir(target, 0o755) })?;
            } else {
                let made = unsafe { libc::open(target, libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC, 0o644) };
                check(made)?;
                check(unsafe { libc::close(made) })?;
            }
            let source = fd_path(fd);
            check(unsafe { libc::mount(source.as_ptr().cast(), target, null, libc::MS_BIND, null.cast()) })?;
        }
        Ok(())
    }
}

/// `/proc/self/fd/<number>` and a zero, without memory from the heap.
fn fd_path(fd: RawFd) -> [u8; 32] {
    let mut path = [0; 32];
    let mut cursor = io::Cursor::new(&mut path[..31]);
    // 31 bytes hold the 14 of the folder and the 10 of any number.
    let _ = write!(cursor, "/proc/self/fd/{fd}");
    path
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

type Job = Box<dyn FnOnce() + Send>;

fn spawner() -> Result<&'static Sender<Job>, DesktopError> {
    static SPAWNER: OnceLock<Sender<Job>> = OnceLock::new();
    if let Some(sender) = SPAWNER.get() {
        return Ok(sender);
    }
    let (sender, jobs) = bounded::<Job>(16);
    std::thread::Builder::new()
        .name("desktop-spawner".into())
        .spawn(move || jobs.into_iter().for_each(|job| job()))
        .map_err(DesktopError::io("starting the thread that starts desktops"))?;
    // Of two that come first at the same time one thread ends at once, since its sender is dropped here.
    Ok(SPAWNER.get_or_init(|| sender))
}

/// What a child says on its standard error: a sealed file in memory, so that it can never be more than its size.
pub(crate) struct Log(File);

impl Log {
    fn new() -> io::Result<Self> {
        let file = File::from(rustix::fs::memfd_create("mezzanine-log", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        file.set_len(LOG_BYTES)?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(Self(file))
    }

    /// At most the last `lines` lines, each cut at 500 characters.
    pub fn lines(&self, lines: usize) -> Vec<String> {
        use std::os::unix::fs::FileExt;
        let mut bytes = vec![0; LOG_BYTES as usize];
        let read = self.0.read_at(&mut bytes, 0).unwrap_or(0);
        let end = bytes[..read].iter().position(|byte| *byte == 0).unwrap_or(read);
        let text = String::from_utf8_lossy(&bytes[..end]);
        let mut last: Vec<String> = text.lines().rev().take(lines).map(|line| line.chars().take(500).collect()).collect();
        last.reverse();
        last
    }
}
