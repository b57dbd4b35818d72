//! `hive-cli hash-password`, and what is said of passwords in access lists.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::support::{Ended, SOON, folder_with, program, run, run_in};

/// Runs with this on standard input.
fn hashed(arguments: &[&str], input: &[u8]) -> Ended {
    let folder = TempDir::new().unwrap();
    let mut command = program(folder.path(), &[&["hash-password"], arguments].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who is told that the arguments are wrong does not read.
    _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { out: text(output.stdout), err: text(output.stderr), code: output.status.code().unwrap_or(-1) }
}

#[test]
fn a_password_from_a_pipe_becomes_another_hash_each_time() {
    let ended = hashed(&[], b"correct horse\n");
    assert!(ended.code == 0 && ended.out.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{ended:?}");
    assert_ne!(hashed(&["--stdin"], b"correct horse").out, ended.out);
    let json = hashed(&["--bcrypt", "--json"], b"correct horse\r\n").json();
    assert!(json["hash"].as_str().unwrap().starts_with("$2b$12$") && json["scheme"] == "bcrypt", "{json}");
}

#[test]
fn a_token_that_keygen_makes_becomes_its_sha256_and_one_that_can_be_guessed_is_refused() {
    let folder = TempDir::new().unwrap();
    run_in(folder.path(), &["keygen", "-o", "robot.token"]);
    let token = std::fs::read(folder.path().join("robot.token")).unwrap();
    let ended = hashed(&["--token"], &token);
    assert!(ended.code == 0 && ended.out.starts_with("sha256:") && ended.out.trim_end().len() == 71, "{ended:?}");
    let json = hashed(&["--token", "--json"], &token).json();
    assert_eq!((json["hash"].as_str(), json["scheme"].as_str()), (Some(ended.out.trim_end()), Some("sha256")));
    let weak = hashed(&["--token"], b"hunter2");
    assert!(weak.code == 2 && weak.err.contains("hive-cli keygen"), "{weak:?}");
}

#[test]
fn what_is_no_password_is_refused_and_none_is_taken_from_the_command_line() {
    let long = "x".repeat(72);
    for (arguments, input, why) in [
        (&[][..], &b""[..], "the password is empty"),
        (&[], b"\n", "the password is empty"),
        (&[], b"one\ntwo\n", "must be one line"),
        (&[], b"\xff\xfe", "cannot be read"),
        (&["--bcrypt"], long.as_bytes(), "up to 71 bytes"),
        (&["hunter2"], b"", "unexpected argument"),
    ] {
        let ended = hashed(arguments, input);
        assert!(ended.code == 2 && ended.err.contains(why) && ended.out.is_empty(), "{ended:?}");
    }
}

/// Waits until the terminal of a `script` shows nothing that is typed, as a person does by being slow.
#[cfg(target_os = "linux")]
fn until_hidden(script: u32) {
    let start = Instant::now();
    loop {
        let children = std::fs::read_to_string(format!("/proc/{script}/task/{script}/children")).unwrap();
        let terminal = format!("/proc/{}/fd/0", children.split_whitespace().next().unwrap());
        let stty = Command::new("stty").args(["-F", &terminal, "-a"]).output().unwrap();
        if String::from_utf8_lossy(&stty.stdout).contains(" -echo ") {
            return;
        }
        assert!(start.elapsed() < SOON, "the terminal shows what is typed");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn at_a_terminal_it_is_asked_for_twice_and_not_shown() {
    let asked = |first: &str, second: &str| {
        let folder = TempDir::new().unwrap();
        let hive_cli = program(folder.path(), &[]).get_program().to_str().unwrap().to_owned();
        let mut child = Command::new("script")
            .args(["-qec", &format!("'{hive_cli}' hash-password"), "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut shown = String::new();
        let mut byte = [0];
        for (prompt, answer) in [("Password: ", first), ("Again: ", second)] {
            while !shown.ends_with(prompt) {
                assert_eq!(screen.read(&mut byte).unwrap(), 1, "{shown}");
                shown.push(byte[0].into());
            }
            until_hidden(child.id());
            keys.write_all(answer.as_bytes()).unwrap();
            keys.write_all(b"\n").unwrap();
        }
        screen.read_to_string(&mut shown).unwrap();
        (child.wait().unwrap().code(), shown)
    };
    let (code, shown) = asked("correct horse", "correct horse");
    assert!(code == Some(0) && shown.contains("$argon2id$") && !shown.contains("correct"), "{shown}");
    let (code, shown) = asked("correct horse", "correct hors");
    assert!(code == Some(2) && shown.contains("the two differ") && !shown.contains("correct"), "{shown}");
}

#[test]
fn check_warns_of_plain_passwords_and_broken_hashes_with_the_line_in_the_list() {
    let folder =
        folder_with("eventhive.yaml", "servers: {a: {pubsub_type: http, create: always, init: {acl_file: acl.yaml}}}");
    let acl = "one:\n  password: hunter2\n  acl: {}\ntwo:\n  password: $2b$hunter3\n  acl: {}\n";
    std::fs::write(folder.path().join("acl.yaml"), acl).unwrap();
    let text = run_in(folder.path(), &["check"]);
    assert_eq!(text.code, 0, "{text:?}");
    for part in [
        "warning: eventhive.yaml:1:",
        "acl_file: the access list `acl.yaml`, line 1: a password or token is plain text",
        "line 4: user `two`",
    ] {
        assert!(text.out.contains(part), "{part} is not in {}", text.out);
    }
    assert!(!format!("{text:?}").contains("hunter"), "{text:?}");
    assert_eq!(run_in(folder.path(), &["check", "--json"]).json()["warnings"].as_array().unwrap().len(), 2);
    std::fs::write(folder.path().join("acl.yaml"), "one: [\n").unwrap();
    let text = run_in(folder.path(), &["check"]);
    assert!(text.code == 1 && text.out.contains("the access list `acl.yaml` is wrong: line 1"), "{text:?}");
}

#[test]
fn the_help_says_where_the_hash_goes() {
    assert!(run(&["hash-password", "--help"]).out.contains("In the access list:"));
}
