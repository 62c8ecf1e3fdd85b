//! Whether a service listens where its declaration says: itself, and not another program that came first.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use mz_company::Listen;

const LISTENING: &str = "0A";
const ANSWER: Duration = Duration::from_millis(500);

/// The port of `place`, where somebody listens on it.
pub(super) fn taken(place: &Listen) -> Option<u16> {
    let Listen::Tcp(port) = place else { return None };
    TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, *port).into(), ANSWER).is_ok().then_some(*port)
}

/// Whether one of `pids` listens there. A Unix socket lies in `data`, which is the service's own.
pub(super) fn listens(place: &Listen, data: &Path, pids: &[u32]) -> bool {
    match place {
        Listen::Unix(path) => {
            let path = data.join(path);
            fs::symlink_metadata(&path).is_ok_and(|meta| meta.file_type().is_socket()) && UnixStream::connect(path).is_ok()
        }
        Listen::Tcp(port) => {
            let sockets = listeners(*port);
            !sockets.is_empty() && pids.iter().any(|pid| holds(*pid, &sockets))
        }
    }
}

/// The inodes of the sockets that listen on a port, from the kernel's tables.
fn listeners(port: u16) -> BTreeSet<String> {
    let port = format!(":{port:04X}");
    let tables =
        ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let inode = |line: &str| {
        // `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = fields.get(1)?.ends_with(&port) && *fields.get(3)? == LISTENING;
        is_it.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]"))).flatten()
    };
    tables.iter().flat_map(|table| table.lines()).filter_map(inode).collect()
}

fn holds(pid: u32, sockets: &BTreeSet<String>) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| sockets.contains(file.to_string_lossy().as_ref()))
}
