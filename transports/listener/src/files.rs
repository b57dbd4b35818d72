//! Enough file descriptors for the connections that are allowed.
//!
//! Each connection takes two: its socket, and the handle to end it by (see [`connection`](crate::connection)). Many systems
//! give a program 1024 to begin with and let it ask for far more; asking costs nothing.

use std::io;

/// Descriptors of one connection.
const EACH: u64 = 2;

/// What the rest of the process needs: event loops, logs, links, files of a backlog.
const OTHERS: u64 = 256;

/// Sees to it that `connections` can be open at a time: raises the limit if that is allowed, else says what to do. That
/// is a warning if the number was `chosen`; a default that does not fit is not the fault of anyone.
pub(crate) fn make_room(connections: u64, chosen: bool) {
    const TOO_LOW: &str = "the limit of open files is too low for `max_connections`: connections beyond it will be \
                           refused by the system. Raise it (`LimitNOFILE=` in a systemd unit, `--ulimit nofile=` of a \
                           container, /etc/security/limits.conf), or lower `max_connections`";
    match raise(needed(connections)) {
        Ok(Room::Enough) => {}
        Ok(Room::Raised { from, to }) => tracing::info!(from, to, "raised the limit of open files"),
        Ok(Room::TooLittle { needed, limit }) if chosen => tracing::warn!(needed, limit, "{TOO_LOW}"),
        Ok(Room::TooLittle { needed, limit }) => tracing::debug!(needed, limit, "{TOO_LOW}"),
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be read or raised"),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Room {
    Enough,
    Raised { from: u64, to: u64 },
    TooLittle { needed: u64, limit: u64 },
}

const fn needed(connections: u64) -> u64 {
    connections.saturating_mul(EACH).saturating_add(OTHERS)
}

/// Raises the limit to what is needed, or as far as it may be.
fn raise(needed: u64) -> io::Result<Room> {
    #[cfg(unix)]
    {
        let (soft, hard) = rlimit::getrlimit(rlimit::Resource::NOFILE)?;
        if soft >= needed {
            return Ok(Room::Enough);
        }
        // Some systems have a bound below what they say is the hard limit, and the function knows it.
        let limit = if soft < hard { rlimit::increase_nofile_limit(needed)? } else { soft };
        if limit >= needed { Ok(Room::Raised { from: soft, to: limit }) } else { Ok(Room::TooLittle { needed, limit }) }
    }
    #[cfg(not(unix))]
    {
        let _ = needed;
        Ok(Room::Enough)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use rlimit::Resource;

    /// One test, since the limit is the whole process's. The low limit leaves room for the other tests of this binary.
    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be_and_never_lowered() {
        let (before, hard) = Resource::NOFILE.get().unwrap();
        let low = hard.min(900);
        Resource::NOFILE.set(low, hard).unwrap();
        assert_eq!(raise(low).unwrap(), Room::Enough);
        let more = needed(low / 4);
        if hard >= more && more > low {
            assert_eq!(raise(more).unwrap(), Room::Raised { from: low, to: more });
        }
        let soft = Resource::NOFILE.get_soft().unwrap();
        assert_eq!(raise(u64::MAX).unwrap(), Room::TooLittle { needed: u64::MAX, limit: hard });
        assert!(Resource::NOFILE.get_soft().unwrap() >= soft);
        make_room(u64::MAX, true);
        Resource::NOFILE.set(before.max(low), hard).unwrap();
    }
}
