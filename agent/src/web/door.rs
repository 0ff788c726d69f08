//! Where the server listens, and by what address others reach it.

use crate::checkpoint;
use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _, UdpSocket},
    path::Path,
};
use thiserror::Error;
use tracing::warn;

/// Unless the operator says otherwise: the port of Mesos' agents, for this machine only.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:5051";
/// Where the agent listened last, below its state directory.
const FILE: &str = "listened.json";

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
    /// Binds `listen` (`host:port`). Nothing given: where the agent of this state directory listened
    /// last, as its executors look for it there; else the default port, or any free one where another
    /// agent of this machine has it. Empty: no server.
    ///
    /// # Errors
    /// What was given can't be listened on.
    pub fn open(
        listen: Option<&str>,
        allocator: &str,
        state_dir: &Path,
    ) -> Result<Option<Self>, DoorError> {
        let bound = match listen {
            Some("") => return Ok(None),
            Some(listen) => bind(listen)?,
            None => bind_again(&state_dir.join(FILE))?,
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

/// Where it was bound last, if that is free.
fn bind_again(file: &Path) -> Result<(TcpListener, SocketAddr), DoorError> {
    let last: Option<SocketAddr> = checkpoint::load_or_quarantine(file)
        .unwrap_or_else(|fault| Err(fault.to_string()))
        .unwrap_or_else(|reason| {
            warn!("where the agent listened last is not known: {reason}");
            None
        });
    if let Some(bound) = last.and_then(|last| bind(&last.to_string()).ok()) {
        return Ok(bound);
    }
    let bound = bind(DEFAULT_LISTEN).or_else(|fault| {
        warn!("{fault}; any free port is taken");
        bind("127.0.0.1:0")
    })?;
    if let Err(fault) = checkpoint::save(file, &bound.1) {
        warn!("executors will not find the agent after its next start: {fault}");
    }
    Ok(bound)
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
        let state = tempfile::tempdir().unwrap();
        let open = |listen| Door::open(listen, "", state.path());
        let taken = open(Some("127.0.0.1:0")).unwrap().unwrap();
        let address = taken.address().to_string();
        let fault = open(Some(&address)).unwrap_err().to_string();
        assert!(fault.contains(&address) && fault.contains("--listen"), "{fault}");
        assert!(open(Some("")).unwrap().is_none());
        assert!(open(None).unwrap().is_some());
    }

    #[test]
    fn others_are_told_an_address_they_can_reach() {
        let state = tempfile::tempdir().unwrap();
        let door = Door::open(Some("0.0.0.0:0"), "http://127.0.0.1:5050", state.path());
        assert_eq!(door.unwrap().unwrap().address().ip().to_string(), "127.0.0.1");
    }

    #[test]
    fn a_restarted_agent_is_where_its_executors_look_for_it() {
        let state = tempfile::tempdir().unwrap();
        let open = || Door::open(None, "", state.path()).unwrap().unwrap();
        let default = TcpListener::bind(DEFAULT_LISTEN);
        let first = open();
        let address = first.address();
        drop((first, default));
        assert_eq!(open().address(), address);
    }
}
