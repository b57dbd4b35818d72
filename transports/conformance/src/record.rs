//! Results on disk, from which the table in a README is made.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use eventhive_transport::Capabilities;
use serde::Serialize;

use crate::run::{CaseResult, as_object};

/// The variable that names the folder which results are written to. Without it none are.
pub const RESULTS: &str = "EVENTHIVE_CONFORMANCE";

#[derive(Serialize)]
struct Record<'a> {
    wire: &'a str,
    #[serde(serialize_with = "as_object")]
    capabilities: Capabilities,
    #[serde(flatten)]
    result: &'a CaseResult,
}

/// Writes a result, if that is wanted. One file a case, because each is a test of its own and they run at once.
pub(crate) fn record(wire: Option<&str>, capabilities: Capabilities, result: &CaseResult) -> io::Result<()> {
    let (Some(folder), Some(wire)) = (env::var_os(RESULTS), wire) else { return Ok(()) };
    let folder = folder_of(Path::new(&folder), wire);
    fs::create_dir_all(&folder)?;
    let text = serde_json::to_string_pretty(&Record { wire, capabilities, result })?;
    fs::write(folder.join(format!("{}.json", result.case)), text)
}

/// Where the results of a wire are.
pub(crate) fn folder_of(folder: &Path, wire: &str) -> PathBuf {
    folder.join(wire.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-"))
}
