//! From a name to a connection: resolved here, checked here, connected to what was checked.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;

use tokio::net::TcpStream;

type Soon<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// How names are resolved and addresses reached.
pub trait Dial: Send + Sync {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Soon<'a, Vec<SocketAddr>>;
    /// Only ever called with an address that `resolve` gave and that was checked, or with a service's.
    fn connect(&self, address: SocketAddr) -> Soon<'_, TcpStream>;
}

/// The machine's own resolver and network.
pub struct Internet;

impl Dial for Internet {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Soon<'a, Vec<SocketAddr>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.take(16).collect()) })
    }

    fn connect(&self, address: SocketAddr) -> Soon<'_, TcpStream> {
        Box::pin(TcpStream::connect(address))
    }
}

/// Whether an address is out on the internet: no network of this machine, its site or its provider.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether an address is this machine's own, public or not: the engine may listen there. Only own addresses can be bound;
/// where the kernel is set to bind any (`ip_nonlocal_bind`), every address counts as own and is refused.
pub(super) fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let inner = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // An IPv4 address in another coat.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        // Tunnels, documentation, benchmarks.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        // Only this block is given out.
        [first, ..] => (0x2000..0x4000).contains(&first) && first != 0x3fff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_known_and_others_are_not() {
        for own in ["127.0.0.1", "127.0.0.9"] {
            assert!(own.parse().is_ok_and(is_own), "{own} is taken for another machine's");
        }
        for other in ["93.184.216.34", "10.255.255.1", "2606:2800:220:1::1"] {
            assert!(other.parse().is_ok_and(|address| !is_own(address)), "{other} is taken for an own one");
        }
    }
}
