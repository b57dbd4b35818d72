//! From a host and a port to sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use crate::StartError;

/// Connections that may wait in the kernel until they are accepted.
const BACKLOG: i32 = 1024;

/// Binds every address of `host`, at least one. With port 0 all of them get the same free port.
pub(crate) fn bind(door: &str, host: &str, port: u16) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut passed_over = None;
    for ip in addresses(door, host)? {
        let port = match listeners.first() {
            Some(first) => first.local_addr().map_or(port, |address| address.port()),
            None => port,
        };
        let address = SocketAddr::new(ip, port);
        match listen(address) {
            Ok(listener) => listeners.push(listener),
            Err(source) => {
                let tolerable = is_tolerable(&source, host, !listeners.is_empty());
                let hint = hint(address, &source);
                let problem = StartError::Bind { door: door.to_owned(), address, hint, source };
                if !tolerable {
                    return Err(problem);
                }
                passed_over = Some(problem);
            }
        }
    }
    match passed_over {
        Some(problem) if listeners.is_empty() => Err(problem),
        _ => Ok(listeners),
    }
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

/// Whether the other addresses of the host will do. `bound` tells that there is one already.
fn is_tolerable(error: &io::Error, host: &str, bound: bool) -> bool {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, Unsupported};
    match error.kind() {
        // The IPv6 half of `*` has the IPv4 half already. With nothing bound it is someone else's.
        AddrInUse => bound,
        // A machine without IPv6 still has `localhost` in both versions, and `*` means what there is.
        AddrNotAvailable | Unsupported => bound || is_any(host),
        _ => error.raw_os_error() == Some(EAFNOSUPPORT) && (bound || is_any(host)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_on_a_port_that_is_taken_is_an_error_that_says_so() {
        let first = bind("first", "*", 0).unwrap();
        let port = first.first().unwrap().local_addr().unwrap().port();
        let problem = bind("second", "*", port).unwrap_err();
        let StartError::Bind { door, address, source, .. } = &problem else { panic!("{problem:?}") };
        assert_eq!((door.as_str(), address.port(), source.kind()), ("second", port, io::ErrorKind::AddrInUse));
    }
}
