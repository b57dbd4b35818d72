//! The breaker beside a model that is nothing but the history since the last success.

use proptest::prelude::*;

use super::*;

const SETTINGS: BreakerSettings =
    BreakerSettings { failures: 3, hold: Duration::from_secs(10), hold_max: Duration::from_secs(35) };

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A message comes.
    Pass,
    /// One that is under way ends: which, and how.
    End(usize, End),
    /// Seconds pass.
    Wait(u64),
}

#[derive(Debug, Clone, Copy)]
enum End {
    Success,
    Failure,
    Abandoned,
}

/// What has happened since the last success.
#[derive(Default)]
struct History {
    failures: u32,
    /// Each time that it opened, and until when.
    opened: Vec<u64>,
    /// Whether a message is out on which all depends.
    probe: bool,
}

impl History {
    fn pass(&mut self, now: u64) -> Passage {
        match self.opened.last() {
            None => Passage::Free,
            Some(until) if now >= *until && !self.probe => {
                self.probe = true;
                Passage::Probe
            }
            Some(_) => Passage::Held,
        }
    }

    fn end(&mut self, passage: Passage, end: End, now: u64) -> bool {
        let of_the_probe = passage == Passage::Probe && self.probe;
        match end {
            End::Success => *self = Self::default(),
            End::Abandoned => {
                if of_the_probe {
                    self.probe = false;
                    *self.opened.last_mut().unwrap() = now;
                }
            }
            End::Failure => {
                self.failures += 1;
                if of_the_probe || self.opened.is_empty() && self.failures >= 3 {
                    self.probe = false;
                    let hold = [10, 20, 35].get(self.opened.len()).copied().unwrap_or(35);
                    self.opened.push(now + hold);
                    return true;
                }
            }
        }
        false
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = prop_oneof![1 => Just(End::Success), 6 => Just(End::Failure), 1 => Just(End::Abandoned)];
    let step = prop_oneof![
        4 => Just(Step::Pass),
        4 => (0_usize..4, end).prop_map(|(which, end)| Step::End(which, end)),
        2 => (0_u64..25).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn it_does_what_its_history_says(steps in steps()) {
        let (mut breaker, mut history) = (Breaker::default(), History::default());
        let (mut now, mut under_way) = (0, Vec::new());
        for step in steps {
            let time = Duration::from_secs(now);
            match step {
                Step::Wait(secs) => now += secs,
                Step::Pass => {
                    let passage = breaker.pass(time);
                    prop_assert_eq!(passage, history.pass(now));
                    if passage != Passage::Held {
                        under_way.push(passage);
                    }
                }
                Step::End(which, end) if which < under_way.len() => {
                    let passage = under_way.remove(which);
                    let opened = match end {
                        End::Success => { breaker.succeeded(); false }
                        End::Failure => breaker.failed(passage, time, &SETTINGS),
                        End::Abandoned => { breaker.abandoned(passage, time); false }
                    };
                    prop_assert_eq!(opened, history.end(passage, end, now));
                    prop_assert_eq!(breaker.failures(), history.failures);
                }
                Step::End(..) => {}
            }
        }
    }
}

#[test]
fn one_probe_passes_and_its_failure_doubles_the_time() {
    let mut breaker = Breaker::default();
    let at = Duration::from_secs;
    for _ in 0..3 {
        assert_eq!(breaker.pass(at(0)), Passage::Free);
        breaker.failed(Passage::Free, at(0), &SETTINGS);
    }
    assert_eq!(breaker.pass(at(9)), Passage::Held);
    assert_eq!(breaker.pass(at(10)), Passage::Probe);
    assert_eq!(breaker.pass(at(10)), Passage::Held);
    assert!(breaker.failed(Passage::Probe, at(11), &SETTINGS));
    assert_eq!(breaker.pass(at(30)), Passage::Held);
    assert_eq!(breaker.pass(at(31)), Passage::Probe);
    breaker.succeeded();
    assert_eq!(breaker.pass(at(31)), Passage::Free);
}

#[test]
fn a_probe_whose_end_is_not_known_makes_room_for_the_next() {
    let mut breaker = Breaker::default();
    breaker.hold(Duration::ZERO);
    assert_eq!(breaker.pass(Duration::ZERO), Passage::Probe);
    breaker.abandoned(Passage::Probe, Duration::ZERO);
    assert_eq!(breaker.pass(Duration::ZERO), Passage::Probe);
}
