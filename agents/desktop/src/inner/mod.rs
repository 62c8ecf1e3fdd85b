//! The program inside a desktop's sandbox: it starts the session (message bus, accessibility, window manager),
//! starts programs when asked, and tells what it sees. It ends, and the sandbox with it, when the engine's end of
//! the socket is closed.

mod programs;
mod proxy;
mod serve;
mod session;
mod tree;
mod windows;

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// Runs until the engine is gone. `args` are `--link` and the number of the inherited socket, and, where the kernel
/// counts them for this user namespace alone, `--processes` and how many there may be.
pub fn run(args: impl Iterator<Item = String>) -> io::Result<()> {
    let args: Vec<String> = args.collect();
    let (link, processes) = match args.as_slice() {
        [flag, number] if flag == "--link" => (number.parse::<RawFd>().ok(), None),
        [flag, number, limit, most] if flag == "--link" && limit == "--processes" => {
            (number.parse().ok(), most.parse::<u64>().ok())
        }
        _ => (None, None),
    };
    let Some(link) = link.filter(|number| *number > 2) else {
        return Err(io::Error::other("it is started by the engine, with --link and a descriptor's number"));
    };
    // SAFETY: the engine hands this descriptor to this process alone and says its number; it is taken once.
    let link = unsafe { OwnedFd::from_raw_fd(link) };
    // The desktop's programs must not inherit it.
    rustix::io::fcntl_setfd(&link, rustix::io::FdFlags::CLOEXEC)?;
    if let Some(most) = processes {
        let limit = rustix::process::Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::setrlimit(rustix::process::Resource::Nproc, limit)?;
    }
    serve::serve(UnixStream::from(link))
}
