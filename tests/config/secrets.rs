//! Where secrets come from.

use std::ffi::OsString;

use eventhive::config::{Config, ConfigError, Kinds, Sources};

fn resolve(variables: &'static [(&str, &str)], documents: &[&str]) -> Result<Config, ConfigError> {
    let lookup =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
    let mut sources = Sources::with_variables(lookup);
    let (first, rest) = documents.split_first().unwrap();
    sources.read_string(first).read_environment();
    for document in rest {
        sources.read_string(document);
    }
    sources.resolve(&Kinds::compiled_in())
}

/// `EVENTHIVE_CONFIG=""` keeps a file in the working directory out of the test.
fn secrets(secret: &str) -> Result<Vec<String>, String> {
    let text = format!("connectors: {{a: {{pubsub_type: websocket, input_channel: w, secret: {secret}}}}}");
    let config = resolve(NO_FILE, &[&text]).map_err(|error| error.report().problems()[0].to_string())?;
    Ok(config.connectors[0].secret.iter().flat_map(|secrets| secrets.iter()).map(str::to_owned).collect())
}

const NO_FILE: &[(&str, &str)] = &[("EVENTHIVE_CONFIG", "")];

#[test]
fn a_secret_is_a_literal_or_from_a_variable_or_a_file_or_a_list_of_these() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "from file\n").unwrap();
    let path = file.path().display();
    assert_eq!(secrets("'x y'").unwrap(), ["x y"]);
    // Cargo sets this one for tests.
    assert_eq!(secrets("env:CARGO_PKG_NAME").unwrap(), ["eventhive"]);
    assert_eq!(secrets(&format!("'file:{path}'")).unwrap(), ["from file"]);
    assert_eq!(secrets("literal:env:x").unwrap(), ["env:x"]);
    let list = format!("[new, env:CARGO_PKG_NAME, 'file:{path}']");
    assert_eq!(secrets(&list).unwrap(), ["new", "eventhive", "from file"]);
    assert_eq!(secrets("''").unwrap(), [""; 0]);
}

#[test]
fn a_secret_that_is_not_to_be_had_is_an_error() {
    for (secret, message) in [
        ("env:EVENTHIVE_NO_SUCH", "the environment variable `EVENTHIVE_NO_SUCH` is not set"),
        ("file:/nonexistent", "cannot read the secret from `/nonexistent`"),
        ("file:/dev/null", "the secret is empty"),
        ("[]", "a list of secrets must not be empty"),
        ("['']", "the secret is empty"),
        ("", "the secret is missing"),
        ("5", "put it in quotes"),
        ("{a: b}", "found a mapping"),
    ] {
        let error = secrets(secret).unwrap_err();
        assert!(error.starts_with("connectors.a.secret: ") && error.contains(message), "{secret}: {error}");
    }
}

const CONNECTOR: &str = "connectors: {a: {pubsub_type: websocket, input_channel: w}}";

fn secret_of_a(variables: &'static [(&str, &str)], documents: &[&str]) -> Option<String> {
    let config = resolve(variables, documents).unwrap_or_else(|error| panic!("{error}"));
    config.connector("a").unwrap().secret.as_ref().map(|secrets| secrets.current().to_owned())
}

#[test]
fn eventhive_secret_sets_the_secret_of_connectors_before_and_after_and_splits_at_the_first_colon() {
    const VARIABLES: &[(&str, &str)] = &[("EVENTHIVE_CONFIG", ""), ("EVENTHIVE_SECRET", " b:x a:s3:cr:et\n")];
    assert_eq!(secret_of_a(VARIABLES, &[CONNECTOR]).as_deref(), Some("s3:cr:et"));
    assert_eq!(secret_of_a(VARIABLES, &["", CONNECTOR]).as_deref(), Some("s3:cr:et"));
    let config = resolve(VARIABLES, &[CONNECTOR]).unwrap();
    let warnings = config.warnings().to_string();
    assert!(warnings.contains("EVENTHIVE_SECRET names the connector `b`, which is not configured"), "{warnings}");
}

#[test]
fn eventhive_secret_replaces_that_of_earlier_documents_and_yields_to_later_ones() {
    const VARIABLES: &[(&str, &str)] = &[("EVENTHIVE_CONFIG", ""), ("EVENTHIVE_SECRET", "a:env")];
    assert_eq!(secret_of_a(VARIABLES, &["connectors: {a: {secret: early}}", CONNECTOR]).as_deref(), Some("env"));
    assert_eq!(secret_of_a(VARIABLES, &[CONNECTOR, "connectors: {a: {secret: late}}"]).as_deref(), Some("late"));
    assert_eq!(secret_of_a(VARIABLES, &[CONNECTOR, "connectors: {a: {secret: ''}}"]).as_deref(), Some("env"));
}

#[test]
fn an_item_of_eventhive_secret_without_a_colon_is_an_error_that_does_not_show_it() {
    const VARIABLES: &[(&str, &str)] = &[("EVENTHIVE_CONFIG", ""), ("EVENTHIVE_SECRET", "a:x hunter2")];
    let error = resolve(VARIABLES, &[CONNECTOR]).unwrap_err().to_string();
    assert_eq!(error, "EVENTHIVE_SECRET: item 2 has no colon: write CONNECTOR:SECRET");
}

#[test]
fn a_weak_secret_is_a_warning_at_its_place_that_names_keygen_and_does_not_show_it() {
    let text = "connectors:\n  a: {pubsub_type: websocket, input_channel: w, secret: [hunter2, 9f86d081884c7d659a2feaa0c55ad015]}";
    let config = resolve(NO_FILE, &[text]).unwrap();
    let warnings = config.warnings().to_string();
    assert!(warnings.contains("2:57: connectors.a.secret: a weak secret, of 19 bits"), "{warnings}");
    assert!(warnings.contains("hive-cli keygen") && !warnings.contains("hunter2"), "{warnings}");
    assert_eq!(config.warnings().problems().len(), 1);
}
