//! Globs agree with Python's `fnmatch`: with recorded vectors, and with the interpreter itself.

use std::io::Write;
use std::process::{Command, Stdio};

use eventhive::Glob;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    globs: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    pattern: String,
    names: Vec<String>,
    matches: Vec<String>,
}

#[test]
fn globs_match_as_recorded_from_the_original() {
    let vectors: Vectors = serde_json::from_str(include_str!("../vectors/globs.json")).unwrap();
    assert!(!vectors.globs.is_empty());
    for case in vectors.globs {
        let Ok(glob) = Glob::new(&case.pattern) else {
            assert!(case.pattern.is_empty(), "{}", case.pattern);
            continue;
        };
        let mut matches: Vec<&String> = case.names.iter().filter(|name| glob.matches(name)).collect();
        matches.sort();
        assert_eq!(matches, case.matches.iter().collect::<Vec<_>>(), "{}", case.pattern);
    }
}

const ORACLE: &str = "
import fnmatch, json, sys
pairs = json.load(sys.stdin)
json.dump([fnmatch.fnmatchcase(name, pattern) for pattern, name in pairs], sys.stdout)
";

fn ask_python(pairs: &[(String, String)]) -> Vec<bool> {
    let mut python = Command::new("python3")
        .args(["-c", ORACLE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test compares with Python's fnmatch: install python3");
    let input = serde_json::to_vec(pairs).unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "python3 failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn globs_match_as_python_does_on_random_pairs() {
    const PAIRS: usize = 6000;
    let mut runner = TestRunner::default();
    // Few characters, so that many pairs match; all that have a meaning to fnmatch, to regular expressions beneath it,
    // and to those who confuse the two.
    let mixed = ("[ab/*?\\[\\]!^~&|\\\\.é\u{1F41D}\n-]{1,8}", "[ab/*\\[\\]!^~&|\\\\.é\u{1F41D}\n-]{0,6}");
    let classes = ("[*?]?\\[!?[abc!^~&|\\\\\\[é-]{1,6}\\][*]?", "[abcd!^~&|\\\\\\[é-]{1,2}");
    let strategies = [mixed, classes].into_iter().cycle().take(PAIRS);
    let pairs: Vec<(String, String)> =
        strategies.map(|strategy| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let expected = ask_python(&pairs);
    assert!(expected.iter().filter(|matched| **matched).count() > PAIRS / 10, "too few pairs match to mean anything");
    for ((pattern, name), expected) in pairs.iter().zip(expected) {
        assert_eq!(Glob::new(pattern).unwrap().matches(name), expected, "{pattern:?} {name:?}");
    }
}
