use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{TemplateError, Values, fill};

const VALUES: Values<'static> = Values { network: "my-hive", receiver: "worker", secret: "" };

#[test]
fn templates_are_filled_in_as_by_the_original() {
    let all: Value = serde_json::from_str(include_str!("../../../tests/vectors/config.json")).unwrap();
    let cases = all["cli_templates"].as_array().unwrap();
    assert!(cases.len() >= 16);
    for case in cases {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let values = Values { network: text("network"), receiver: text("receiver"), secret: text("secret") };
        let filled = fill(text("template"), &values);
        match (case["output"].as_str(), case["error"].as_str()) {
            // Attributes are refused, on purpose.
            _ if text("template").contains("__class__") => assert!(matches!(filled, Err(TemplateError::Malformed(_)))),
            // Without --secret the original puts `None` there, which is a valid secret; here it is empty.
            (Some(output), _) if output.contains("None") => {
                assert_eq!(filled.as_deref(), Ok(output.replace("None", "").as_str()))
            }
            (Some(output), _) => assert_eq!(filled.as_deref(), Ok(output), "{case}"),
            (None, Some("KeyError")) => assert!(matches!(filled, Err(TemplateError::UnknownName(_))), "{case}"),
            (None, _) => assert!(matches!(filled, Err(TemplateError::Malformed(_))), "{case}"),
        }
    }
}

const ORACLE: &str = r"
import json, sys
def fill(template):
    try: return [template.format(network='my-hive', receiver='wörk\'er\n', secret='')]
    except KeyError as e: return 'KeyError'
    except Exception as e: return 'error'
json.dump([fill(template) for template in json.load(sys.stdin)], sys.stdout)
";

/// What the real `str.format` makes of each template.
fn python(templates: &[String]) -> Vec<Value> {
    let mut child = Command::new("python3")
        .args(["-c", ORACLE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3");
    let mut stdin = child.stdin.take().unwrap();
    let input = serde_json::to_string(templates).unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn templates_mean_what_python_says() {
    let parts = [
        "{",
        "}",
        "{{",
        "}}",
        "network",
        "receiver",
        "secret",
        "nosuch",
        "0",
        "[0]",
        "[1]",
        "[-1]",
        "[99]",
        "[x]",
        "[",
        "]",
        "!r",
        "!s",
        "!a",
        "!x",
        "!",
        ":",
        ":>10",
        ":<4",
        ":^9",
        ":*^12",
        ":05",
        ":.3",
        ":8.2s",
        ":s",
        ":d",
        ":=5",
        ":+",
        ":,",
        ":#",
        ":z",
        "{network}",
        "{receiver!r}",
        "{secret:x<3}",
        "a b",
        "ü",
        ":{secret}>9",
        ":>{network}",
        ".",
    ];
    let mut state: u64 = 7;
    let mut draw = |below: usize| {
        // Knuth's MMIX constants.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut templates: Vec<String> = Vec::new();
    for _ in 0..20_000 {
        let count = 1 + draw(4);
        let inside: String = (0..count).map(|_| parts[draw(parts.len())]).collect();
        templates.push(inside.clone());
        templates.push(format!("{{{inside}}}"));
        templates.push(format!("{{{}{inside}}}", ["network", "receiver"][draw(2)]));
    }
    let ours = |template: &str| match fill(template, &Values { receiver: "wörk'er\n", ..VALUES }) {
        Ok(text) => json!([text]),
        Err(TemplateError::UnknownName(_)) => json!("KeyError"),
        Err(TemplateError::Malformed(_)) => json!("error"),
    };
    let differences: Vec<String> = templates
        .iter()
        .zip(python(&templates))
        .filter(|(template, theirs)| ours(template) != *theirs)
        .map(|(template, theirs)| format!("{template:?}: ours {}, Python {theirs}", ours(template)))
        .collect();
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences[..differences.len().min(30)].join("\n")
    );
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_never_panics(template in "(\\PC|[{}\\[\\]!:.0-9<>^=]|\\{network|\\{secret){0,40}") {
        let _ = fill(&template, &VALUES);
    }

    #[test]
    fn text_without_braces_stays_as_it_is(text in "[^{}]{0,80}") {
        proptest::prop_assert_eq!(fill(&text, &VALUES), Ok(text));
    }
}
