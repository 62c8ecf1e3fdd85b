//! The desktop's only way out: a port on its own loopback that leads to the broker.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::wire::PROXY_SOCKET;

pub(crate) const ADDRESS: &str = "127.0.0.1:3128";
const MOST_CONNECTIONS: usize = 96;

/// Whether there is a broker at all.
pub(crate) fn offered() -> bool {
    Path::new(PROXY_SOCKET).exists()
}

pub(crate) fn start() -> io::Result<()> {
    let listener = TcpListener::bind(ADDRESS)?;
    let open = Arc::new(AtomicUsize::new(0));
    let accept = move || {
        for client in listener.incoming().flatten() {
            // One too many is closed at once: the program tries again.
            if open.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS || pipe(client, &open).is_err() {
                open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    };
    std::thread::Builder::new().name("proxy".into()).stack_size(64 * 1024).spawn(accept)?;
    Ok(())
}

fn pipe(client: TcpStream, open: &Arc<AtomicUsize>) -> io::Result<()> {
    let broker = UnixStream::connect(PROXY_SOCKET)?;
    let (mut from_client, mut to_broker) = (client.try_clone()?, broker.try_clone()?);
    let (mut from_broker, mut to_client) = (broker, client);
    let builder = || std::thread::Builder::new().name("pipe".into()).stack_size(64 * 1024);
    builder().spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_broker);
        let _ = to_broker.shutdown(Shutdown::Write);
    })?;
    let open = open.clone();
    builder().spawn(move || {
        let _ = io::copy(&mut from_broker, &mut to_client);
        // The other direction ends with it, also when the client keeps its side open.
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = from_broker.shutdown(Shutdown::Both);
        open.fetch_sub(1, Ordering::Relaxed);
    })?;
    Ok(())
}
