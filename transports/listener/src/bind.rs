//! From a host and a port to sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use crate::StartError;

/// Connections that may wait in the kernel until they are accepted.
const BACKLOG: i32 = 1024;

/// Binds every address of `host`. With port 0 all of them get the same free port.
pub(crate) fn bind(door: &str, host: &str, port: u16) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for ip in addresses(door, host)? {
        let port = match listeners.first() {
            Some(first) => first.local_addr().map_or(port, |address| address.port()),
            None => port,
        };
        let address = SocketAddr::new(ip, port);
        match listen(address) {
            Ok(listener) => listeners.push(listener),
            // A machine without IPv6 still has `localhost` in both versions, and `*` means what there is.
            Err(error) if is_missing(&error) && (!listeners.is_empty() || is_any(host)) => {}
            Err(source) => {
                let hint = hint(address, &source);
                return Err(StartError::Bind { door: door.to_owned(), address, hint, source });
            }
        }
    }
    Ok(listeners)
}

fn addresses(door: &str, host: &str) -> Result<Vec<IpAddr>, StartError> {
    if is_any(host) {
        // The IPv6 socket takes IPv4 too; the second is for machines without IPv6.
        return Ok(vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)]);
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let unknown = |source| StartError::Resolve { door: door.to_owned(), host: host.to_owned(), source };
    let mut found: Vec<IpAddr> = (bare, 0).to_socket_addrs().map_err(unknown)?.map(|address| address.ip()).collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found.dedup();
    if found.is_empty() {
        return Err(unknown(io::Error::from(io::ErrorKind::NotFound)));
    }
    Ok(found)
}

fn is_any(host: &str) -> bool {
    matches!(host, "" | "*")
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that restarts must not wait until the connections of its predecessor are forgotten.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED))?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Whether the address, or its IP version, is not there; or its other half has it already.
fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, Unsupported};
    matches!(error.kind(), AddrInUse | AddrNotAvailable | Unsupported) || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// "Address family not supported by protocol" on Linux.
const EAFNOSUPPORT: i32 = 97;

fn hint(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "something else listens there: stop it, or set another `port` (`ss -ltnp sport = {}` shows it)",
                address.port()
            )
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: use a higher `port`, or grant CAP_NET_BIND_SERVICE".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address: use one it has, or `*` for all".to_owned()
        }
        _ => error.to_string(),
    }
}
