use std::io::{self, IsTerminal as _, Read as _};

use eventhive_http::access::password::{HashError, Scheme, hash};
use eventhive_http::access::token;
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::console::Console;
use crate::cli::exit::{Exit, Failure};
use crate::cli::verb::Verb;

/// `hive-cli hash-password`
#[derive(Debug, clap::Args)]
pub(crate) struct HashPassword {
    /// Read the password from standard input, as is done anyway when that is no terminal
    #[arg(long)]
    stdin: bool,

    /// Hash it with bcrypt, for programs that know nothing better; the default is argon2id
    #[arg(long)]
    bcrypt: bool,

    /// Hash a bearer token instead of a password; `hive-cli keygen` makes one
    #[arg(long, conflicts_with = "bcrypt")]
    token: bool,
}

impl Verb for HashPassword {
    const NAME: &'static str = "hash-password";
    const ABOUT: &'static str = "Make the hash of a password or token for the access list of an HTTP server";
    const MORE: &'static str = "\
In the access list:
  testuser:
    password: $argon2id$v=19$m=19456,t=2,p=1$...
    acl:
      git: [git, private.git]
  testrobot:
    tokens: ['sha256:...']
    acl: {all: []}

The password is asked for twice, and not shown; it is never taken from the command line, which others can see.
From a program: printf %s \"$PASSWORD\" | hive-cli hash-password
A token is made with: hive-cli keygen -o robot.token; hive-cli hash-password --token < robot.token

Streams that are open stay logged in when a plain password is replaced by its hash.";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let password = if self.stdin || !io::stdin().is_terminal() { read()? } else { ask()? };
        if self.token {
            let hash = token::hash(&password).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
            console.answer(|| hash.clone(), || json!({ "hash": hash, "scheme": "sha256" }))?;
            return Ok(Exit::Ok);
        }
        let (scheme, name) = if self.bcrypt { (Scheme::Bcrypt, "bcrypt") } else { (Scheme::Argon2id, "argon2id") };
        let hash = hash(&password, scheme).map_err(|error| {
            let exit = if matches!(error, HashError::Failed(_)) { Exit::Failed } else { Exit::Usage };
            Failure::new(exit, error.to_string())
        })?;
        console.answer(|| hash.clone(), || json!({ "hash": hash, "scheme": name }))?;
        Ok(Exit::Ok)
    }
}

/// More is no password.
const MAX_BYTES: u64 = 64 << 10;

/// One line; the break at its end is none of the password's.
fn read() -> Result<Zeroizing<String>, Failure> {
    // Its full size at once: text that is moved when it grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES as usize + 1));
    let wrong = |message: &str| Failure::new(Exit::Usage, message);
    io::stdin()
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(Exit::Usage, format!("the password cannot be read: {error}")))?;
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if line.contains(['\n', '\r', '\0']) || text.len() as u64 == MAX_BYTES {
        return Err(wrong("the password must be one line of text"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// From the terminal, which shows nothing of it.
fn ask() -> Result<Zeroizing<String>, Failure> {
    let prompt = |text: &str| {
        rpassword::prompt_password(text)
            .map(Zeroizing::new)
            .map_err(|error| Failure::new(Exit::Interrupted, format!("the password was not read: {error}")))
    };
    let password = prompt("Password: ")?;
    if *password != *prompt("Again: ")? {
        return Err(Failure::new(Exit::Usage, "the two differ: try again"));
    }
    Ok(password)
}
