//! Channel ids: the 32 hexadecimal digits by which the protocol names a connection.
//!
//! A publisher may name any connection of the hub as the one to skip, on whatever thread that lives. So the id holds the
//! session's number, behind a keyed hash of it: an id that this process did not give out names nobody.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use eventhive_hub::SessionId;

use crate::wire::answer::hex_id;

static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The id of a session.
pub(super) fn id_of(session: SessionId) -> u128 {
    let number = u64::from(session);
    u128::from(KEY.hash_one(number)) << 64 | u128::from(number)
}

/// The session that an id names, if it is one of ours.
pub(super) fn session_of(id: &str) -> Option<SessionId> {
    let id = hex_id(id)?;
    #[expect(clippy::cast_possible_truncation, reason = "the number is the lower half")]
    let session = SessionId::from(id as u64);
    (id_of(session) == id).then_some(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_session_and_a_forged_one_to_none() {
        let session = SessionId::from(7);
        let id = format!("{:032x}", id_of(session));
        assert_eq!(session_of(&id), Some(session));
        assert_eq!(session_of(&format!("{:032x}", id_of(session) ^ 1)), None);
        assert_eq!(session_of("other"), None);
    }
}
