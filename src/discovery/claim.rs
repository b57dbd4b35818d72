//! Which of two servers of one name stays.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::txt::Pairs;

/// The TXT key of [`Claim::created`], as unreleased branches of the original name it.
const CREATED: &str = "created";
/// The TXT key of [`Claim::id`].
const ID: &str = "id";

/// What tells servers of one name apart: when each was made, and a random id.
///
/// # The rule
/// Of two servers of one name the older stays; if they are of the same age, the one whose id comes first. The younger
/// hands over. A server that does not say how old it is (eventhive 0.5.0) cannot hand over, so it counts as the older.
///
/// The order is total, so all hives that see the same servers choose the same one, whatever their clocks say: a wrong
/// clock changes which server stays, not that one does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claim {
    /// Microseconds since the epoch, by the clock of the server's machine.
    created: Option<u64>,
    id: Option<String>,
}

/// What a server does that sees another of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the same server: an echo.
    Same,
    /// It stays; the other hands over.
    Stay,
    /// It hands over to the other.
    HandOver,
}

impl Claim {
    /// The claim of a server that is made now.
    #[must_use]
    pub fn now() -> Self {
        Self::new(SystemTime::now(), uuid::Uuid::new_v4().to_string())
    }

    /// A claim with all its parts; times before the epoch count as the epoch.
    #[must_use]
    pub fn new(created: SystemTime, id: String) -> Self {
        let since = created.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { created: Some(u64::try_from(since.as_micros()).unwrap_or(u64::MAX)), id: Some(id) }
    }

    /// When the server was made, if it says so.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_micros(self.created?))
    }

    /// The server's id, if it says so.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The rule, for the server with this claim that sees one with the `other`.
    #[must_use]
    pub fn against(&self, other: &Self) -> Verdict {
        match self.rank().cmp(&other.rank()) {
            Ordering::Equal => Verdict::Same,
            Ordering::Less => Verdict::Stay,
            Ordering::Greater => Verdict::HandOver,
        }
    }

    /// The least stays.
    fn rank(&self) -> (u64, &str) {
        (self.created.unwrap_or(0), self.id.as_deref().unwrap_or_default())
    }

    pub(super) fn write(&self, pairs: &mut Pairs) {
        if let Some(micros) = self.created {
            pairs.push((CREATED.to_owned(), format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)));
        }
        if let Some(id) = &self.id {
            pairs.push((ID.to_owned(), id.clone()));
        }
    }

    pub(super) fn read(pairs: &Pairs) -> Self {
        let get = |wanted: &str| pairs.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.clone());
        Self { created: get(CREATED).and_then(|text| micros(&text)), id: get(ID) }
    }

    /// Whether this key of an announcement is part of a claim, not a setting.
    pub(super) fn has_key(key: &str) -> bool {
        key == CREATED || key == ID
    }
}

/// Seconds with a fraction of any length, without passing through a float: two servers must read one text alike.
fn micros(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u64 = format!("{:0<6.6}", fraction).parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claim(created: impl Into<Option<u64>>, id: &str) -> Claim {
        Claim { created: created.into(), id: (!id.is_empty()).then(|| id.to_owned()) }
    }

    #[test]
    fn the_older_stays_and_the_younger_hands_over() {
        assert_eq!(claim(1, "z").against(&claim(2, "a")), Verdict::Stay);
        assert_eq!(claim(2, "a").against(&claim(1, "z")), Verdict::HandOver);
    }

    #[test]
    fn of_two_of_the_same_age_the_first_id_stays() {
        assert_eq!(claim(1, "a").against(&claim(1, "b")), Verdict::Stay);
        assert_eq!(claim(1, "b").against(&claim(1, "a")), Verdict::HandOver);
    }

    #[test]
    fn a_server_that_does_not_say_how_old_it_is_counts_as_the_older() {
        assert_eq!(claim(1, "a").against(&claim(None, "")), Verdict::HandOver);
        assert_eq!(Claim::now().against(&Claim::default()), Verdict::HandOver);
    }

    #[test]
    fn an_echo_of_oneself_changes_nothing() {
        let mine = Claim::now();
        let mut pairs = Pairs::new();
        mine.write(&mut pairs);
        assert_eq!(Claim::read(&pairs), mine);
        assert_eq!(mine.against(&Claim::read(&pairs)), Verdict::Same);
    }

    #[test]
    fn pythons_time_is_read_to_the_microsecond_and_nonsense_as_unknown() {
        assert_eq!(micros("1795217286.5477164"), Some(1_795_217_286_547_716));
        assert_eq!(micros("1795217286.5"), Some(1_795_217_286_500_000));
        assert_eq!(micros("1795217286"), Some(1_795_217_286_000_000));
        for nonsense in ["", ".", "-1", "1e9", "nan", "1.2.3", "1.é", "99999999999999999999", "18446744073709551615"] {
            assert_eq!(micros(nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn of_any_two_servers_exactly_one_stays(a in 0_u64..4, b in 0_u64..4, x in "[ab]?", y in "[ab]?") {
            let (one, other) = (claim(a, &x), claim(b, &y));
            let expected = match one.against(&other) {
                Verdict::Same => Verdict::Same,
                Verdict::Stay => Verdict::HandOver,
                Verdict::HandOver => Verdict::Stay,
            };
            prop_assert_eq!(other.against(&one), expected);
        }

        #[test]
        fn of_any_number_of_servers_exactly_one_stays_against_all_others(
            ages in prop::collection::vec(prop::option::of(0_u64..5), 1..8)
        ) {
            let claims: Vec<Claim> = ages.iter().enumerate().map(|(n, age)| claim(*age, &format!("id{n}"))).collect();
            let stays = |one: &&Claim| claims.iter().all(|other| one.against(other) != Verdict::HandOver);
            prop_assert_eq!(claims.iter().filter(stays).count(), 1);
        }
    }
}
