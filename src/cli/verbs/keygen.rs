use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::console::Console;
use crate::cli::exit::{Exit, Failure};
use crate::cli::verb::Verb;

/// `hive-cli keygen`
#[derive(Debug, clap::Args)]
pub(crate) struct Keygen {
    /// Write the secret into this new file, which only its owner can read, and do not print it.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Verb for Keygen {
    const NAME: &'static str = "keygen";
    const ABOUT: &'static str = "Make a new secret of 256 bits for a network";
    const MORE: &'static str = "\
In a configuration:
  connectors:
    my-hive:
      secret: file:hive.secret      # or env:NAME, or the secret itself; it needs no quotes

Every hive of the network gets the same secret, and refuses what is not sealed with it.

To change it without losing an event, give all hives a list, restarting them one by one, in three rounds:
  1. secret: [file:old.secret, file:new.secret]    the first seals, all open: now everyone knows the new one
  2. secret: [file:new.secret, file:old.secret]    the new one seals
  3. secret: file:new.secret                       what is sealed with the old one is refused";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let secret = new_secret()?;
        match &self.output {
            None => {
                console.answer(|| secret.to_string(), || json!({ "secret": secret.as_str(), "bits": BITS }))?;
            }
            Some(path) => {
                write(path, &secret)?;
                let shown = path.display().to_string();
                let text = || format!("{shown}: a new secret of {BITS} bits, for `secret: file:{shown}`");
                console.answer(text, || json!({ "file": shown, "bits": BITS }))?;
            }
        }
        Ok(Exit::Ok)
    }
}

const BITS: usize = 256;

/// A word in front of hex digits: digits alone, or with an `e` among them, could be a number in YAML; and whoever searches
/// files for secrets finds the word.
fn new_secret() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0_u8; BITS / 8]);
    getrandom::fill(&mut bytes[..])
        .map_err(|error| Failure::new(Exit::Failed, format!("the system gives no random bytes: {error}")))?;
    let mut secret = Zeroizing::new(String::with_capacity(PREFIX.len() + BITS / 4));
    secret.push_str(PREFIX);
    for nibble in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        secret.extend(char::from_digit(nibble.into(), 16));
    }
    Ok(secret)
}

const PREFIX: &str = "hive-";

/// Never over a file that is there: the secret of a running network would be gone.
fn write(path: &Path, secret: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        let message = match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("`{}` is there already, and is left as it is: name a new file", path.display())
            }
            _ => format!("cannot write `{}`: {error}", path.display()),
        };
        Failure::new(Exit::Failed, message)
    };
    let mut file = create(path).map_err(failed)?;
    file.write_all(secret.as_bytes()).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all()).map_err(
        |error| {
            // Half a secret would be taken for one.
            let _ = std::fs::remove_file(path);
            failed(error)
        },
    )
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
