//! The deep merge of the original (`mergedeep`, strategy "replace").

use eventhive_transport::settings::{Entry, Node, Value};

/// `older` with `newer` over it: mappings key by key, everything else (lists, scalars, null) replaced.
///
/// What is replaced keeps its place among the keys; a mapping that both have takes the newer position, because that is
/// where the reader of a message looks last.
pub(super) fn merge(older: Node, newer: Node) -> Node {
    match (older.value, newer.value) {
        (Value::Map(mut entries), Value::Map(more)) => {
            for entry in more {
                insert(&mut entries, entry);
            }
            Node { value: Value::Map(entries), at: newer.at }
        }
        (_, value) => Node { value, at: newer.at },
    }
}

fn insert(entries: &mut Vec<Entry>, newer: Entry) {
    match entries.iter_mut().find(|entry| entry.key == newer.key) {
        Some(entry) => {
            let older = std::mem::replace(&mut entry.node, Node { value: Value::Null, at: newer.node.at });
            entry.node = merge(older, newer.node);
            entry.key_at = newer.key_at;
        }
        None => entries.push(newer),
    }
}

/// The value of a key of a mapping.
pub(super) fn get<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    entries(node).iter().find(|entry| entry.key == key).map(|entry| &entry.node)
}

/// The entries of a mapping; none for anything else.
pub(super) fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Map(entries) => entries,
        _ => &[],
    }
}
