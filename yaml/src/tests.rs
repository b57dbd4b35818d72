use eventhive_transport::settings::{Node, Value};

use super::{MAX_DEPTH, read};

fn tree(text: &str) -> Node {
    read(0, text).unwrap().unwrap()
}

fn problems(text: &str) -> Vec<String> {
    let problems = read(0, text).unwrap_err();
    problems.iter().map(|problem| format!("{}:{}: {problem}", problem.at.line, problem.at.column)).collect()
}

fn value<'a>(node: &'a Node, path: &str) -> &'a Node {
    path.split('.').fold(node, |node, key| match &node.value {
        Value::Map(entries) => &entries.iter().find(|entry| entry.key == key).unwrap().node,
        Value::List(items) => &items[key.parse::<usize>().unwrap()],
        other => panic!("{key} in {other:?}"),
    })
}

#[test]
fn every_value_and_key_knows_line_and_column() {
    let node = tree("größe: 1\nconnectors:\n  my-hive: {port: 8085}\n  list:\n    - a\n    - 'b'\n");
    let place = |path| (value(&node, path).at.line, value(&node, path).at.column);
    assert_eq!(place("größe"), (1, 8));
    assert_eq!(place("connectors.my-hive"), (3, 12));
    assert_eq!(place("connectors.my-hive.port"), (3, 19));
    assert_eq!(place("connectors.list.1"), (6, 7));
    let Value::Map(entries) = &value(&node, "connectors").value else { panic!() };
    assert_eq!((entries[1].key_at.line, entries[1].key_at.column), (4, 3));
}

#[test]
fn quoted_scalars_are_text() {
    let node = tree("a: '1'\nb: \"yes\"\nc: |\n  10\nd: 10");
    assert_eq!(value(&node, "a").value, Value::Text("1".into()));
    assert_eq!(value(&node, "b").value, Value::Text("yes".into()));
    assert_eq!(value(&node, "c").value, Value::Text("10\n".into()));
    assert_eq!(value(&node, "d").value, Value::Integer(10));
}

#[test]
fn merge_keys_work_as_in_pyyaml() {
    let node = tree(
        "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b]}\nd: {<<: *c1}\n".replace("*c1", "*a").as_str(),
    );
    let Value::Map(entries) = &value(&node, "c").value else { panic!() };
    let keys: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), entry.node.value.clone())).collect();
    assert_eq!(keys, [("y", Value::Integer(1)), ("z", Value::Integer(3)), ("x", Value::Integer(1))]);
    assert_eq!(value(&node, "d.y").value, Value::Integer(1));
}

#[test]
fn a_key_that_stands_twice_is_an_error_with_both_places() {
    assert_eq!(
        problems("a:\n  b: 1\n  c: 2\n  b: 3\n"),
        ["4:3: a.b: the key stands twice, first in line 2, column 3: keep one of the two"]
    );
}

#[test]
fn all_problems_but_those_of_syntax_are_reported_together() {
    assert_eq!(
        problems("1: a\nb: !mine x\nc: !!int x\n? [d]\n: e\nf: {<<: 5}\non: 1\n"),
        [
            "1:1: a key must be text: put it in quotes",
            "2:4: b: the tag `!mine` has no meaning here: remove it",
            "3:4: c: `!!int` does not fit this value: remove the tag",
            "4:3: a key must be text, not a list or mapping",
            "6:5: f.<<: `<<` takes a mapping or a list of mappings, such as `<<: *base`",
            "7:1: a key must be text: put it in quotes",
        ]
    );
}

#[test]
fn an_error_of_syntax_has_its_place_and_the_fix() {
    for (text, place, fix) in [
        ("a:\n\tb: 1\n", "2:", "indent with spaces"),
        ("a: @b\n", "1:4:", "in quotes"),
        ("a: 'b\n", "", "close the quotes"),
        ("a: {b: 1\n", "", "close every {"),
        ("a: b: c\n", "1:", "colon and a space"),
        ("a: 1\n b: 2\n", "2:", "check the indentation"),
    ] {
        let problems = problems(text);
        assert_eq!(problems.len(), 1, "{text:?}: {problems:?}");
        assert!(problems[0].starts_with(place) && problems[0].contains(fix), "{text:?}: {problems:?}");
    }
}

#[test]
fn tags_of_the_core_are_taken() {
    let node = tree("a: !!str 1\nb: !!int '0x10'\nc: !!float 1\nd: !!bool YES\ne: !!seq [1]\nf: !!null x\n");
    assert_eq!(value(&node, "a").value, Value::Text("1".into()));
    assert_eq!(value(&node, "b").value, Value::Integer(16));
    assert_eq!(value(&node, "c").value, Value::Float(1.0));
    assert_eq!(value(&node, "d").value, Value::Bool(true));
    assert_eq!(value(&node, "f").value, Value::Null);
}

#[test]
fn empty_documents_are_none() {
    for text in ["", "\n", "# only a comment\n", "---\n", "~", "null", "\u{feff}"] {
        assert_eq!(read(0, text), Ok(None), "{text:?}");
    }
}

#[test]
fn several_documents_are_refused() {
    assert!(problems("a: 1\n---\nb: 2\n")[0].contains("a second document"));
}

#[test]
fn an_alias_bomb_is_stopped_by_the_node_budget() {
    use std::fmt::Write as _;
    let mut text = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
    for level in 1..12 {
        let before = level - 1;
        let _ = writeln!(text, "a{level}: &a{level} [{}]", vec![format!("*a{before}"); 10].join(","));
    }
    let problems = problems(&text);
    assert!(problems[0].contains("more than"), "{problems:?}");
}

#[test]
fn nesting_and_self_reference_are_bounded() {
    let deep = |depth| format!("a: {}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(0, &deep(MAX_DEPTH - 2)).is_ok());
    assert!(problems(&deep(MAX_DEPTH))[0].contains("nested deeper"));
    assert!(!problems(&deep(100_000)).is_empty());
    assert!(problems("a: &a [*a]")[0].contains("cannot contain itself"));
    let block: String = (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert!(problems(&block)[0].contains("nested deeper"));
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        let _ = read(0, &text);
    }

    #[test]
    fn text_of_yaml_characters_never_panics(text in "[-a-c0-9:_.,{}\\[\\]&*!|>'\"#?~<%@ \\n\\t]{0,120}") {
        let _ = read(0, &text);
    }
}
