//! Ports and addresses of this machine.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

const LOWEST: u16 = 10_000;
const ZONE: u32 = 64;

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nothing listens on, given to nobody else in this process.
///
/// The search begins at a place that neighbouring process ids do not share, so two runs started together do not pick
/// the same one. It stays below the range the kernel takes for outgoing connections: a part that is down for a while
/// finds its port free when it comes back.
pub fn free_port() -> Result<u16> {
    let end = first_outgoing_port().max(LOWEST + 1_000);
    let span = u32::from(end - LOWEST);
    let zones = span / ZONE;
    let first = (std::process::id() % zones) * ZONE;
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for step in 0..span {
        let port = LOWEST + u16::try_from((first + step) % span).context("a port")?;
        if !given.contains(&port) && is_free(port) {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("no port is free between {LOWEST} and {end}: end some of the programs that listen there")
}

/// Whether nothing listens on `port`, at any address of this machine.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

fn first_outgoing_port() -> u16 {
    const USUAL: u16 = 32_768;
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(USUAL)
}

/// This machine's own address, which is not a loopback one (an EndpointSlice refuses those).
pub fn host_address() -> Result<Ipv4Addr> {
    // Connecting a datagram socket sends nothing; it only asks the kernel which address it would send from.
    let ask = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        Ok(socket.local_addr()?.ip())
    };
    let remedy = "this machine has no IPv4 address but loopback ones, and the ingress needs one for what stands \
                  behind it: connect it to a network, or add an address (`ip address add 10.99.0.1/32 dev lo` and a \
                  default route)";
    match ask().context(remedy)? {
        IpAddr::V4(address) if !address.is_loopback() && !address.is_link_local() => Ok(address),
        _ => bail!(remedy),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_given_once() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
    }

    #[test]
    fn a_port_that_is_listened_on_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()));
    }
}
