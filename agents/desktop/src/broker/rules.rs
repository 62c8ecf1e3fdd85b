//! Which hosts a role may reach, and what a host's name may be made of.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use mz_protocol::RequestRule;

/// `example.org`, `*.example.org` (every name below it, not itself), each with ports: `example.org:8443`.
/// Without a port: 80 and 443.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    name: String,
    below: bool,
    port: Option<u16>,
    asks: Vec<RequestRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no host rule: write example.org, *.example.org or example.org:8443")]
pub struct HostRuleError(String);

impl FromStr for HostRule {
    type Err = HostRuleError;

    fn from_str(text: &str) -> Result<Self, HostRuleError> {
        let bad = || HostRuleError(text.chars().take(80).collect());
        let (host, port) = match text.trim().rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, Some(port.parse().ok().filter(|p| *p > 0).ok_or_else(bad)?)),
            _ => (text.trim(), None),
        };
        let (below, host) = host.strip_prefix("*.").map_or((false, host), |rest| (true, rest));
        let name = host_name(host).ok_or_else(bad)?;
        // `*.org` would be half of the world.
        if below && !name.contains('.') {
            return Err(bad());
        }
        Ok(Self { name, below, port, asks: Vec::new() })
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl HostRule {
    /// With requests that pass only while an answer to them is open.
    pub fn asking(self, asks: Vec<RequestRule>) -> Self {
        Self { asks, ..self }
    }

    pub(crate) fn asks(&self) -> &[RequestRule] {
        &self.asks
    }

    /// Whether this host is meant, on whatever port; in lower case and without a last dot.
    pub fn names(&self, host: &str) -> bool {
        if self.below {
            host.strip_suffix(self.name.as_str()).is_some_and(|head| head.len() > 1 && head.ends_with('.'))
        } else {
            host == self.name
        }
    }

    /// `host` as [`host_name`] gives it.
    pub(crate) fn allows(&self, host: &str, port: u16) -> bool {
        self.names(host) && self.port.map_or(matches!(port, 80 | 443), |own| own == port)
    }
}

/// A host in lower case and without its last dot, or an address without brackets; none for anything else.
pub(crate) fn host_name(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().ok().map(|address| IpAddr::V6(address).to_string());
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
    };
    ((1..=253).contains(&name.len()) && name.split('.').all(label)).then_some(name)
}
