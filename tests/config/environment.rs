//! Which file is read.

use std::ffi::OsString;

use eventhive::config::{Kinds, Sources};

fn with_config(name: impl Into<OsString>) -> Sources {
    let name = name.into();
    let mut sources = Sources::with_variables(move |variable| (variable == "EVENTHIVE_CONFIG").then(|| name.clone()));
    sources.read_environment();
    sources
}

#[test]
fn eventhive_config_names_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "eventhive: {metadata_key: md}").unwrap();
    let config = with_config(file.path()).resolve(&Kinds::compiled_in()).unwrap();
    assert_eq!(config.hive.metadata_key, "md");
}

#[test]
fn an_empty_eventhive_config_is_no_file() {
    assert!(with_config("").resolve(&Kinds::compiled_in()).is_ok());
}

#[test]
fn a_file_that_eventhive_config_names_and_that_is_not_there_is_an_error() {
    let error = with_config("/nonexistent/x.yaml").resolve(&Kinds::compiled_in()).unwrap_err().to_string();
    assert!(error.starts_with("cannot read `/nonexistent/x.yaml` (named by EVENTHIVE_CONFIG): "), "{error}");
}

#[test]
fn a_file_that_is_not_utf_8_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, b"a: \xff").unwrap();
    let error = with_config(file.path()).resolve(&Kinds::compiled_in()).unwrap_err().to_string();
    assert!(error.contains("is not UTF-8"), "{error}");
}
