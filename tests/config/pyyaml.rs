//! Our reader against the real PyYAML 6, installed into the target folder on first use.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use eventhive::config::Sources;
use eventhive_transport::settings::{Node, Value};
use serde_json::{Value as Json, json};

/// Reads a JSON list of documents, writes what `safe_load` makes of each in the form of [`ours`].
const ORACLE: &str = r"
import json, struct, sys, datetime, yaml
def show(x):
    if x is None: return ['null']
    if isinstance(x, bool): return ['bool', x]
    if isinstance(x, int): return ['int', str(x)] if -2**63 <= x < 2**63 else fail()
    if isinstance(x, float): return ['float', 'nan' if x != x else struct.pack('>d', x).hex()]
    if isinstance(x, str): return ['str', x]
    if isinstance(x, (datetime.date, datetime.datetime)): return ['timestamp']
    if isinstance(x, list): return ['list', [show(i) for i in x]]
    if isinstance(x, dict):
        if not all(isinstance(k, str) for k in x): raise ValueError
        return ['map', [[k, show(v)] for k, v in x.items()]]
    fail()
def fail(): raise ValueError
def load(text):
    try: return show(yaml.safe_load(text))
    except Exception: return ['error']
json.dump([load(text) for text in json.load(sys.stdin)], sys.stdout)
";

/// Where PyYAML stands; installed if it is not there yet, by one test at a time.
fn python() -> PathBuf {
    let lock = std::fs::File::create(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pyyaml.lock")).unwrap();
    lock.lock().unwrap();
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pyyaml");
    let python = home.join("bin/python");
    let works =
        |python: &PathBuf| Command::new(python).args(["-c", "import yaml"]).status().is_ok_and(|it| it.success());
    if !works(&python) {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&home).status();
        assert!(made.is_ok_and(|it| it.success()), "this test needs python3 with the module venv");
        let install = Command::new(&python).args(["-m", "pip", "install", "-q", "PyYAML==6.0.3"]).status();
        assert!(
            install.is_ok_and(|it| it.success()),
            "this test needs PyYAML 6.0.3 from PyPI, and pip could not get it"
        );
    }
    python
}

fn theirs(documents: &[String]) -> Vec<Json> {
    let mut child =
        Command::new(python()).args(["-c", ORACLE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = serde_json::to_string(documents).unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `x` of the document `{x: ..}` as our reader sees it.
fn ours(document: &str) -> Json {
    let mut sources = Sources::new();
    sources.read_string(document);
    let error = sources.resolve(&eventhive::config::Kinds::compiled_in()).unwrap_err();
    // The key `x` is unknown on purpose: one problem exactly means that the reading itself went well.
    if error.report().problems().len() != 1 || !error.to_string().contains("unknown key `x`") {
        return json!(["error"]);
    }
    let Value::Map(entries) = &sources.tree().value else { panic!() };
    json!(["map", [["x", show(&entries.iter().find(|entry| entry.key == "x").unwrap().node)]]])
}

fn show(node: &Node) -> Json {
    match &node.value {
        Value::Null => json!(["null"]),
        Value::Bool(truth) => json!(["bool", truth]),
        Value::Integer(number) => json!(["int", number.to_string()]),
        Value::Float(number) if number.is_nan() => json!(["float", "nan"]),
        Value::Float(number) => json!(["float", format!("{:016x}", number.to_bits())]),
        Value::Text(text) => json!(["str", text]),
        Value::List(items) => json!(["list", items.iter().map(show).collect::<Vec<_>>()]),
        Value::Map(entries) => {
            json!(["map", entries.iter().map(|entry| json!([entry.key, show(&entry.node)])).collect::<Vec<_>>()])
        }
    }
}

/// Compares every document; a timestamp is text here (documented).
fn compare(documents: &[String]) {
    let differences: Vec<String> = documents
        .iter()
        .zip(theirs(documents))
        .map(|(document, theirs)| (document, ours(document), theirs))
        .filter(|(_, ours, theirs)| ours != theirs && !(theirs[1][0][1][0] == "timestamp" && ours[1][0][1][0] == "str"))
        .map(|(document, ours, theirs)| format!("{document:?}: ours {ours}, PyYAML {theirs}"))
        .collect();
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences[..differences.len().min(40)].join("\n")
    );
}

#[test]
fn plain_scalars_mean_what_pyyaml_says() {
    let words = "yes Yes YES yEs no No NO on On ON off OFF true True TRUE tRue false y n Y N null Null NULL nULL ~ \
        010 08 0o10 1_000 0x1F 0xfg 0b101 0b12 1:30 190:20:30 1:60 -1:30 +5 - + _ 1_ _1 0_ 0x_ 0b_ 00 007 \
        1.5 1. .5 -.5 +1.5 1e3 1.5e3 1.5e+3 1.5E-3 1.e+3 1_0.0_1 1:30.5 190:20:30.15 . ._ 1._ .inf .Inf .INF -.inf +.inf .iNF \
        .nan .NaN .NAN -.nan 2001-01-01 2001-12-14t21:59:43.10-05:00 12:30:45 9223372036854775807 9223372036854775808 \
        -9223372036854775808 99999999999999999999.5 1.7976931348623159e+308 127.0.0.1 ::1 a:b /pubsub ws://h:1/p 1-2 1,2";
    let alphabet: Vec<char> = "017_.-+xe:b".chars().collect();
    let mut texts: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    let mut layer = vec![String::new()];
    for _ in 0..4 {
        layer = layer.iter().flat_map(|text| alphabet.iter().map(move |c| format!("{text}{c}"))).collect();
        texts.extend(layer.iter().cloned());
    }
    // Longer ones by a fixed pseudo-random walk (Knuth's MMIX constants).
    let mut state: u64 = 1;
    for length in (5..12).cycle().take(20_000) {
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()]
        };
        texts.push((0..length).map(|_| draw()).collect());
    }
    // What ends in a colon is a mapping, and a leading `- ` a list: syntax, not scalars.
    texts.retain(|text| !text.ends_with(':') && text != "-" && !text.starts_with(':'));
    compare(&texts.iter().map(|text| format!("x: {text}")).collect::<Vec<_>>());
}

#[test]
fn documents_mean_what_pyyaml_says() {
    let documents = [
        "x: {a: 1, b: [yes, 'yes', \"on\"], c: }",
        "x:\n  - a\n  -\n    b: 1\n  - - c\n    - d\n",
        "x: |\n  one\n   two\n\n  three\n\n",
        "x: |-\n  one\n  two\n\n",
        "x: |+\n  one\n\n\n",
        "x: >\n  one\n  two\n\n  three\n",
        "x: one\n  two\n  three\n",
        "x: \"a\\tb\\u00e9\\n\\x41 \\\n  c\"",
        "x: 'it''s'",
        "x: &a {k: 1}\n",
        "x: [&a {k: 1}, *a, *a]",
        "x: [&a {k: 1, l: 1}, {<<: *a, k: 2}, {k: 2, <<: *a, m: 3}]",
        "x: [&a {k: 1}, &b {k: 2, l: 2}, {<<: [*a, *b], m: 3}, {<<: [*b, *a]}]",
        "x: [&a {k: 1}, &b {<<: *a, l: 2}, {<<: *b}]",
        "x: {\"<<\": 1}",
        "x: !!str 10",
        "x: !!int '0x10'",
        "x: !!float 1",
        "x: !!bool 'Yes'",
        "x: !!null ''",
        "x: !!map {a: 1}",
        "x: !!seq [1]",
        "x: !mine 1",
        "x: {1: a}",
        "x: {yes: a}",
        "x: {? a : b}",
        "x: # comment\n  a # comment\n",
        "x: a#b",
        "x: {a: 'b', \"c\": d}\n",
        "%YAML 1.1\n---\nx: 1\n",
        "---\nx: 1\n...\n",
        "x: 1\n---\nx: 2\n",
        "x: @a",
        "x: `a`",
        "x: a: b",
        "x: [a, b",
        "x: *nosuch",
        "x: {a: b: c}",
        "x:\n\ta: 1",
        "x: \"a",
        "x: größe ☃ 🐝",
        "\u{feff}x: 1",
        "x: 1\r\n",
        "x: \r\n  a: 1\r\n  b: 2\r\n",
        "x: ''",
        "x: \"\"",
        "x: [a,b, c , ]",
        "x: {a: 1,}",
        "x: http://a:1/b?c=d#e",
        "x: {host: 127.0.0.1, port: 8085, endpoint: /pubsub}",
    ];
    compare(&documents.map(str::to_owned));
}
