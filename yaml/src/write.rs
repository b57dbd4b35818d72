//! A tree as YAML in block style.

use std::fmt::Write as _;

use eventhive_transport::settings::{Entry, Node, Value};

use super::scalar;

/// Writes a tree so that [`read`](super::read) reads the same values, in the same order, and PyYAML too. Positions are not
/// looked at.
#[must_use]
pub fn write(node: &Node) -> String {
    let mut writer = Writer::default();
    writer.value(node, Place::Top);
    if !writer.text.ends_with('\n') {
        writer.text.push('\n');
    }
    writer.text
}

#[derive(Default)]
struct Writer {
    text: String,
    /// Spaces before what begins a line.
    indent: usize,
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    /// Behind `key:`, without a space yet.
    Key,
    /// Behind `-`, without a space yet.
    Item,
}

impl Writer {
    fn value(&mut self, node: &Node, place: Place) {
        match &node.value {
            Value::List(items) if !items.is_empty() => self.list(items, place),
            Value::Map(entries) if !entries.is_empty() => self.map(entries, place),
            other => {
                if place != Place::Top {
                    self.text.push(' ');
                }
                scalar(&mut self.text, other);
                self.text.push('\n');
            }
        }
    }

    fn list(&mut self, items: &[Node], place: Place) {
        self.block(place, items, |writer, item| {
            writer.text.push('-');
            writer.value(item, Place::Item);
        });
    }

    fn map(&mut self, entries: &[Entry], place: Place) {
        self.block(place, entries, |writer, entry| {
            text(&mut writer.text, &entry.key);
            writer.text.push(':');
            writer.value(&entry.node, Place::Key);
        });
    }

    /// One line, or more, for each of `all`. Behind a `-` the first goes on in its line.
    fn block<T>(&mut self, place: Place, all: &[T], one: impl Fn(&mut Self, &T)) {
        let outer = self.indent;
        if place != Place::Top {
            self.indent += 2;
        }
        if place == Place::Key {
            self.text.push('\n');
        }
        for (at, item) in all.iter().enumerate() {
            if at == 0 && place == Place::Item {
                self.text.push(' ');
            } else {
                self.text.extend(std::iter::repeat_n(' ', self.indent));
            }
            one(self, item);
        }
        self.indent = outer;
    }
}

fn scalar(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Integer(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&float(*number)),
        Value::Text(value) => text(out, value),
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
    }
}

/// YAML 1.1 takes `1e5` for text: a number has a point, and its exponent a sign.
fn float(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let shortest = format!("{number:?}");
    match shortest.split_once('e') {
        None => shortest,
        Some((digits, power)) => {
            let point = if digits.contains('.') { "" } else { ".0" };
            let sign = if power.starts_with('-') { "" } else { "+" };
            format!("{digits}{point}e{sign}{power}")
        }
    }
}

/// Plain where that cannot be anything else, in double quotes otherwise.
fn text(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            // Writing to a String cannot fail.
            c => _ = write!(out, "\\U{:08x}", u32::from(c)),
        }
    }
    out.push('"');
}

fn is_plain(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "_./-+@ ".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || "_./".contains(c))
        && text.chars().all(inside)
        && !text.ends_with(' ')
        && !["...", "---"].contains(&text)
        && text != "<<"
        // What looks like a date, too: other readers than ours take it for one.
        && !text.starts_with(|c: char| c.is_ascii_digit() && text.contains('-'))
        && scalar::plain(text) == Ok(Value::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use eventhive_transport::settings::Position;
    use proptest::prelude::*;

    use super::super::read;
    use super::*;

    fn node(value: Value) -> Node {
        Node { value, at: Position::default() }
    }

    fn map(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
        let mut all: Vec<Entry> = Vec::new();
        for (key, value) in entries {
            if all.iter().all(|entry| entry.key != key) {
                all.push(Entry { key, key_at: Position::default(), node: node(value) });
            }
        }
        Value::Map(all)
    }

    /// The same without positions.
    fn bare(at: &Node) -> Node {
        node(match &at.value {
            Value::List(items) => Value::List(items.iter().map(bare).collect()),
            Value::Map(entries) => map(entries.iter().map(|entry| (entry.key.clone(), bare(&entry.node).value))),
            other => other.clone(),
        })
    }

    #[test]
    fn a_tree_looks_as_people_write_it() {
        let text = "servers:\n  a:\n    create: always\n    list:\n      - 10.0.0.0/8\n      - host: \"::1\"\n        port: \
                    2069\n    none: []\n    time: \"10\"\n    date: \"2026-01-01\"\n";
        assert_eq!(write(&read(0, text).unwrap().unwrap()), text);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Integer),
            any::<f64>().prop_filter("equal to itself", |number| !number.is_nan()).prop_map(Value::Float),
            any::<String>().prop_map(Value::Text),
            "[-0-9a-zA-Z_.:#,<> ?!&*'\"|\\[\\]{}@%`+=/\n\t]{0,12}".prop_map(Value::Text),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone().prop_map(node), 0..5).prop_map(Value::List),
                prop::collection::vec((".{0,8}", inner), 0..5).prop_map(map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(key in "[a-z]{1,4}", value in values()) {
            let tree = node(map([(key, value)]));
            let text = write(&tree);
            let read = read(0, &text).unwrap_or_else(|problems| panic!("{problems:?} in {text}")).unwrap();
            prop_assert_eq!(bare(&read), tree, "{}", text);
        }
    }
}
