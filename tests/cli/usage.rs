//! How the program is talked to.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{ended, folder_with, program, run, run_in};

const VERBS: &[&str] = &[
    "serve",
    "call",
    "request",
    "listen",
    #[cfg(feature = "discovery")]
    "discover",
    "check",
    "explain",
    "keygen",
    #[cfg(feature = "http")]
    "hash-password",
    #[cfg(feature = "webhook")]
    "setup",
    "schema",
    "completions",
    "man",
];

#[test]
fn help_lists_the_verbs_the_exit_codes_and_the_flags_of_the_original() {
    for flag in ["--help", "-h"] {
        let ended = run(&[flag]);
        assert_eq!(ended.code, 0);
        for text in VERBS.iter().chain(&["Exit codes:", "130", "--json-fallback"]) {
            assert!(ended.out.contains(text), "{text} is not in {}", ended.out);
        }
    }
    for verb in VERBS {
        let ended = run(&[verb, "--help"]);
        assert_eq!(ended.code, 0);
        assert!(ended.out.contains("Usage: hive-cli ") && ended.out.contains("--json"), "{}", ended.out);
    }
}

#[test]
fn the_version_is_the_packages() {
    let ended = run(&["--version"]);
    assert_eq!((ended.out.as_str(), ended.code), (concat!("hive-cli ", env!("CARGO_PKG_VERSION"), "\n"), 0));
}

#[test]
fn wrong_usage_ends_with_code_2() {
    for arguments in [
        &[][..],
        &["nosuch"],
        &["check", "--nosuch"],
        &["explain"],
        &["call"],
        &["call", ""],
        &["request"],
        &["request", "a/b/c", "--count", "0"],
        &["request", "a/b/c", "--timeout", "0"],
        &["request", "a/b"],
        &["request", "a/b/c", "[]"],
        &["completions", "nosuch"],
        &["man", "nosuch"],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {ended:?}");
        assert!(!ended.err.is_empty() && ended.out.is_empty(), "{ended:?}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_ends_with_code_2_for_every_verb_that_needs_one() {
    let folder =
        folder_with("eventhive.yaml", "connectors: {a: {pubsub_type: nosuch, input_channel: w, secret: hunter2}}");
    for arguments in [&["serve"][..], &["call", "a/b/c"], &["request", "a/b/c"], &["listen"], &["explain", "a/b/c"]] {
        let text = run_in(folder.path(), arguments);
        assert_eq!(text.code, 2, "{text:?}");
        assert!(text.err.contains("error: the configuration cannot be used"), "{text:?}");
        assert!(
            text.err.contains("eventhive.yaml:1:31: connectors.a.pubsub_type: there is no transport `nosuch`"),
            "{text:?}"
        );
        assert!(!text.err.contains("hunter2"), "{text:?}");
        let json = run_in(folder.path(), &[arguments, &["--json"]].concat());
        assert_eq!(json.json()["error"], "the configuration cannot be used");
        assert_eq!((json.code, &json.json()["problems"][0]["line"], &json.json()["exit"]), (2, &1.into(), &2.into()));
    }
}

#[test]
fn there_are_colours_on_a_terminal_only_and_none_if_no_color_is_set() {
    let folder = TempDir::new().unwrap();
    let is_coloured = |command: &mut Command| {
        let ended = ended(command.env("TERM", "xterm-256color").stdin(Stdio::null()));
        assert!(format!("{}{}", ended.out, ended.err).contains("must not be empty"), "{ended:?}");
        format!("{}{}", ended.out, ended.err).contains('\u{1b}')
    };
    // `script` gives what it runs a terminal.
    let on_terminal = || {
        let line = format!("{} explain ''", env!("CARGO_BIN_EXE_hive-cli"));
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env_remove("NO_COLOR").current_dir(folder.path());
        command
    };
    assert!(is_coloured(&mut on_terminal()));
    assert!(!is_coloured(on_terminal().env("NO_COLOR", "1")));
    assert!(!is_coloured(&mut program(folder.path(), &["explain", ""])));
}

#[test]
fn logs_are_json_if_wanted() {
    let ended = run(&["call", "--url", "ws://127.0.0.1:1/", "a/b/c", "-v", "--log-format", "json", "--timeout", "1"]);
    let line = ended.err.lines().next().unwrap();
    let log: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(log["level"].is_string() && log["fields"]["message"].is_string(), "{line}");
}
