//! Python's hooker, in a virtual environment of its own below the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

const SCRIPT: &str = "
import hooker, timeit
hooker.EVENTS.append('bench', '')
@hooker.hook('bench')
def one(number):
    return number
hooker.EVENTS['bench'](0)
count = 20000
print(min(timeit.repeat(lambda: hooker.EVENTS['bench'](1), number=count, repeat=5)) / count * 1e9)
";

pub(crate) fn nanoseconds_per_call() -> Result<f64, String> {
    let python = interpreter()?;
    let output = run(Command::new(python).args(["-c", SCRIPT]))?;
    output.trim().parse().map_err(|_| format!("it printed `{output}`"))
}

fn interpreter() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hooker-venv");
    let python = folder.join("bin/python");
    if !folder.join("ready").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python).args(["-m", "pip", "install", "-q", "hooker==1.0.2"]))?;
        std::fs::write(folder.join("ready"), "").map_err(|error| error.to_string())?;
    }
    Ok(python)
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
