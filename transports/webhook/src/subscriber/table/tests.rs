use std::time::Duration;

use super::*;

/// Notes the topics that it gets, and `-` for a gap.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join(" ")
    }
}

impl Consumer for Notes {
    fn deliver(&self, message: &Message) {
        self.0.lock().unwrap().push(String::from_utf8(message.topic.to_vec()).unwrap());
    }
    fn gap(&self) {
        self.0.lock().unwrap().push("-".to_owned());
    }
    fn end(&self) {
        self.0.lock().unwrap().push(".".to_owned());
    }
}

fn glob(pattern: &str) -> Wish {
    Wish::glob(pattern).unwrap()
}

fn number_of(wish: &Wish) -> u64 {
    match wish {
        Wish::Glob(glob) => number(glob),
        Wish::Exact(_) => unreachable!(),
    }
}

fn message(topic: &str) -> Message {
    Message::new(topic.as_bytes(), b"x"[..].into())
}

fn joined(table: &Table, wishes: &[Wish]) -> (u64, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let (id, _) = table.add(wishes.into(), notes.clone()).unwrap();
    (id, notes)
}

#[test]
fn of_the_copies_that_come_over_http_each_consumer_takes_one() {
    let table = Table::new(Way::Http);
    let (wide, narrow, name) = (glob("*"), glob("a/?"), Wish::exact("a/b"));
    let (_, all) = joined(&table, &[wide.clone(), narrow.clone(), name.clone()]);
    let (_, globs) = joined(&table, &[narrow.clone(), wide.clone()]);
    let (_, one) = joined(&table, std::slice::from_ref(&wide));
    let copies = [Arrival::Exact, Arrival::Glob(number_of(&wide)), Arrival::Glob(number_of(&narrow))];
    let counts = copies.map(|copy| table.deliver(copy, &message("a/b")));
    assert_eq!(counts, [Some(1), Some(1), Some(1)]);
    assert_eq!([all.take(), globs.take(), one.take()], ["a/b", "a/b", "a/b"]);
    // Of a topic that only one pattern matches there is one copy.
    assert_eq!(table.deliver(Arrival::Glob(number_of(&wide)), &message("c")), Some(3));
    assert_eq!([all.take(), globs.take(), one.take()], ["c", "c", "c"]);
}

#[test]
fn over_a_websocket_one_copy_is_for_all_who_want_it() {
    let table = Table::new(Way::Websocket);
    let (_, both) = joined(&table, &[glob("a*"), Wish::exact("a")]);
    let (_, other) = joined(&table, &[Wish::exact("b")]);
    assert_eq!(table.deliver(Arrival::Websocket, &message("a")), Some(1));
    assert_eq!([both.take(), other.take()], ["a", ""]);
}

#[test]
fn what_nobody_wants_is_told_apart_from_what_a_pattern_does_not_match() {
    let table = Table::new(Way::Http);
    let wish = glob("a*");
    let (id, _) = joined(&table, std::slice::from_ref(&wish));
    assert_eq!(table.deliver(Arrival::Exact, &message("a")), None);
    assert_eq!(table.deliver(Arrival::Glob(number_of(&wish)), &message("b")), Some(0));
    table.remove(id);
    assert_eq!(table.deliver(Arrival::Glob(number_of(&wish)), &message("a")), None);
    assert!(!table.wants(Arrival::Glob(number_of(&wish)), b"a"));
}

#[test]
fn only_the_first_and_the_last_who_want_something_change_the_plan() {
    let table = Table::new(Way::Http);
    let wish = Wish::exact("a");
    let mut standing = HashSet::new();
    let (one, _) = joined(&table, std::slice::from_ref(&wish));
    assert_eq!(table.plan(Way::Http, &standing).begin, std::slice::from_ref(&wish));
    assert!(table.plan(Way::Websocket, &standing).begin.is_empty());
    table.stands(Way::Http, &wish);
    standing.insert(wish.clone());
    let (two, _) = joined(&table, std::slice::from_ref(&wish));
    table.remove(one);
    let plan = table.plan(Way::Http, &standing);
    assert!(plan.begin.is_empty() && plan.end.is_empty());
    table.remove(two);
    assert_eq!(table.plan(Way::Http, &standing).end, [wish]);
}

#[tokio::test]
async fn who_waits_for_a_wish_hears_when_it_stands_or_why_it_does_not() {
    let table = Table::new(Way::Http);
    let wishes: Arc<[Wish]> = [Wish::exact("a"), Wish::exact("b")].into();
    let (_, stands) = table.add(wishes.clone(), Arc::new(Notes::default())).unwrap();
    table.stands(Way::Http, &wishes[0]);
    table.failed(&wishes[1], &SubscriberError::Closed);
    let mut told = Vec::new();
    for one in stands {
        told.push(one.await.unwrap().is_ok());
    }
    assert_eq!(told, [true, false]);
    let (_, stands) = table.add(wishes, Arc::new(Notes::default())).unwrap();
    assert_eq!(stands.len(), 1);
}

#[test]
fn a_lost_wire_is_a_gap_for_those_who_had_something_on_it_told_when_they_have_it_again() {
    let table = Table::new(Way::Websocket);
    let (_, a) = joined(&table, &[Wish::exact("a"), glob("a*")]);
    let (_, b) = joined(&table, &[Wish::exact("b")]);
    table.stands(Way::Websocket, &Wish::exact("a"));
    table.stands(Way::Websocket, &glob("a*"));
    table.lost(Way::Websocket);
    assert_eq!([a.take(), b.take()], ["", ""]);
    table.stands(Way::Websocket, &Wish::exact("a"));
    assert_eq!([a.take(), b.take()], ["-", ""]);
    table.gap(|wish| matches!(wish, Wish::Exact(_)));
    assert_eq!([a.take(), b.take()], ["-", "-"]);
    table.close();
    assert_eq!([a.take(), b.take()], [".", "."]);
    assert!(table.add([].into(), Arc::new(Notes::default())).is_err());
}

const PACE: Pace = Pace { busy: 100.0, quiet: 10.0, linger: Duration::from_secs(30) };

/// A wish on HTTP that has had `count` messages in a second.
fn busy(count: usize) -> (Table, Arc<Notes>, Instant) {
    let table = Table::new(Way::Http);
    let (_, notes) = joined(&table, &[Wish::exact("a")]);
    table.stands(Way::Http, &Wish::exact("a"));
    let start = Instant::now();
    table.shift(start, PACE, true);
    for at in 0..count {
        let body = at.to_string().into_bytes();
        table.deliver(Arrival::Exact, &Message::new(b"a", body.into()));
    }
    notes.take();
    (table, notes, start + Duration::from_secs(1))
}

#[test]
fn a_busy_wish_changes_to_the_websocket_and_stays_on_http_until_it_stands_there() {
    let (table, ..) = busy(99);
    assert!(!table.any_wanted(Way::Websocket));
    let (table, _, now) = busy(100);
    table.shift(now, PACE, false);
    assert!(!table.any_wanted(Way::Websocket), "the websocket is down");
    let (table, _, now) = busy(100);
    table.shift(now, PACE, true);
    assert!(table.any_wanted(Way::Websocket) && table.any_wanted(Way::Http));
    table.stands(Way::Websocket, &Wish::exact("a"));
    assert!(table.any_wanted(Way::Websocket) && !table.any_wanted(Way::Http));
    // Quiet again.
    table.shift(now + Duration::from_secs(1), PACE, true);
    assert!(table.any_wanted(Way::Websocket) && table.any_wanted(Way::Http));
    table.stands(Way::Http, &Wish::exact("a"));
    assert!(!table.any_wanted(Way::Websocket) && table.any_wanted(Way::Http));
}

#[test]
fn while_a_wish_changes_its_wire_two_copies_are_one_message_whichever_comes_first() {
    let (table, notes, now) = busy(100);
    table.shift(now, PACE, true);
    let (http, websocket) = (Arrival::Exact, Arrival::Websocket);
    let counts = |payload: &'static str, copies: &[Arrival]| -> usize {
        let message = Message::new(b"a", payload.as_bytes().into());
        copies.iter().map(|copy| table.deliver(*copy, &message).unwrap_or_default()).sum()
    };
    assert_eq!(counts("one", &[http, websocket]), 1);
    assert_eq!(counts("two", &[websocket, http]), 1);
    // One that was on its way on the old wire comes when that is no longer subscribed.
    table.stands(Way::Websocket, &Wish::exact("a"));
    assert_eq!(counts("three", &[websocket, http]), 1);
    assert_eq!(notes.take(), "a a a");
}

#[test]
fn of_messages_that_are_alike_none_is_lost_while_a_wish_changes_its_wire() {
    let (table, notes, now) = busy(100);
    table.shift(now, PACE, true);
    let (http, websocket) = (Arrival::Exact, Arrival::Websocket);
    let came = |copies: &[Arrival]| -> usize {
        copies.iter().map(|copy| table.deliver(*copy, &message("a")).unwrap_or_default()).sum()
    };
    // Two from before the websocket stood, of which it brings no copies.
    assert_eq!(came(&[http, http]), 2);
    table.stands(Way::Websocket, &Wish::exact("a"));
    assert_eq!(came(&[websocket, websocket, websocket]), 3);
    assert_eq!(notes.take(), "a a a a a");
}

#[test]
fn a_wish_goes_back_to_http_when_the_websocket_is_down() {
    let (table, notes, now) = busy(100);
    table.shift(now, PACE, true);
    table.stands(Way::Websocket, &Wish::exact("a"));
    table.lost(Way::Websocket);
    table.shift(now, PACE, false);
    assert!(!table.any_wanted(Way::Websocket) && table.any_wanted(Way::Http));
    table.stands(Way::Http, &Wish::exact("a"));
    assert_eq!(notes.take(), "-");
}
