//! Where the server listens, and by what address others reach it.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _, UdpSocket},
};
use thiserror::Error;
use tracing::warn;

/// Unless the operator says otherwise: the port of Mesos' agents, for this machine only.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:5051";

/// Why there is no server.
#[derive(Debug, Error)]
pub enum DoorError {
    /// The address can't be listened on.
    #[error(
        "cannot listen on {listen}: {source}; set another address with --listen, or none (\"\")"
    )]
    Listen {
        /// What was asked for.
        listen: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A bound socket.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
}

impl Door {
    /// Binds `listen` (`host:port`). Nothing given: the default port, or any free one where another
    /// agent of this machine has it. Empty: no server.
    ///
    /// # Errors
    /// What was given can't be listened on.
    pub fn open(listen: Option<&str>, allocator: &str) -> Result<Option<Self>, DoorError> {
        let bound = match listen {
            Some("") => return Ok(None),
            Some(listen) => bind(listen)?,
            None => bind(DEFAULT_LISTEN).or_else(|fault| {
                warn!("{fault}; any free port is taken");
                bind("127.0.0.1:0")
            })?,
        };
        let (listener, mut address) = bound;
        if address.ip().is_unspecified() {
            address.set_ip(own_ip(allocator).unwrap_or(address.ip()));
        }
        Ok(Some(Self { listener, address }))
    }

    /// By what others reach it: the bound address; where that is any, the one of this node's that the
    /// allocator sees.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket, for the runtime of the calling thread.
    ///
    /// # Errors
    /// The runtime does not take it.
    pub fn into_listener(self) -> io::Result<tokio::net::TcpListener> {
        self.listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(self.listener)
    }
}

fn bind(listen: &str) -> Result<(TcpListener, SocketAddr), DoorError> {
    let fault = |source| DoorError::Listen { listen: listen.to_owned(), source };
    let listener = TcpListener::bind(listen).map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    Ok((listener, address))
}

/// The address this node has on its way to the allocator; sends nothing.
fn own_ip(allocator: &str) -> Option<IpAddr> {
    let place = allocator.split_once("://")?.1.trim_end_matches('/');
    let place = place.to_socket_addrs().ok()?.next()?;
    let any: &str = if place.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(place).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_an_error_if_it_was_asked_for() {
        let taken = Door::open(Some("127.0.0.1:0"), "").unwrap().unwrap();
        let address = taken.address().to_string();
        let fault = Door::open(Some(&address), "").unwrap_err().to_string();
        assert!(fault.contains(&address) && fault.contains("--listen"), "{fault}");
        assert!(Door::open(Some(""), "").unwrap().is_none());
        assert!(Door::open(None, "").unwrap().is_some());
    }

    #[test]
    fn others_are_told_an_address_they_can_reach() {
        let door = Door::open(Some("0.0.0.0:0"), "http://127.0.0.1:5050").unwrap().unwrap();
        assert_eq!(door.address().ip().to_string(), "127.0.0.1");
    }
}
