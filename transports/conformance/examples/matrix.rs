//! Makes the tables of README.md and of the suite's RESULTS.md from the results of the suite, or tells that they differ.
//!
//! `matrix FOLDER ROOT [--write]`: FOLDER has the results (`EVENTHIVE_CONFORMANCE` in a run of all tests), ROOT is the
//! workspace. `tests/matrix.sh` runs the suite on every wire and then this.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use eventhive_conformance::matrix::{Matrix, splice};

/// The rows, in their order. A wire whose suite is not run is an error, and so is one that is not here.
const WIRES: &[&str] = &[
    "local bus",
    "hub in the process",
    "websocket",
    "websocket on Python 0.3.1",
    "websocket on Python 1.0.1",
    "http",
    "webhook over HTTP",
    "webhook over a websocket",
    "webhook over both",
    "redis",
    "redis cluster",
    "redis cluster, sharded",
    "redis streams",
    "redis streams, groups",
    "redis cluster, streams",
];

const REGENERATE: &str = "tests/matrix.sh";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let made = match arguments.as_slice() {
        [folder, root] => run(Path::new(folder), Path::new(root), false),
        [folder, root, flag] if flag == "--write" => run(Path::new(folder), Path::new(root), true),
        _ => Err("usage: matrix FOLDER ROOT [--write]".into()),
    };
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("matrix: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path, root: &Path, write: bool) -> Result<(), Box<dyn std::error::Error>> {
    let matrix = Matrix::read(folder, WIRES)?;
    update(root.join("README.md"), "transports", &matrix.table(), write)?;
    update(root.join("transports/conformance/RESULTS.md"), "not run", &matrix.not_run(), write)
}

/// Writes the document, or is an error if that would change it.
fn update(path: PathBuf, name: &str, text: &str, write: bool) -> Result<(), Box<dyn std::error::Error>> {
    let document = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let updated = splice(&document, name, text).map_err(|error| format!("{}: {error}", path.display()))?;
    if updated == document {
        return Ok(());
    }
    if !write {
        return Err(format!("{} is not what the suite found: run {REGENERATE} and commit it", path.display()).into());
    }
    std::fs::write(&path, updated)?;
    println!("{} was written", path.display());
    Ok(())
}
