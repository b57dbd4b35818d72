//! A broadcaster of webhooks, and a service that subscribes at it.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventhive_transport::settings::{Node, Position, Value};
use eventhive_webhook::wire::auth::{Secret, Secrets};
use serde_json::json;
use zeroize::Zeroizing;

use super::files::write_new;
use crate::cli::console::{Console, visible};
use crate::cli::exit::{Exit, Failure};

/// What the broadcaster reads without being told to.
const CONFIG: &str = "eventhive.yaml";
const SERVICE: &str = "subscriber.yaml";
/// Names that Python's `lonelypss --setup` gives; their content is alike.
const BROADCASTER_SECRETS: &str = "broadcaster-secrets.json";
const SUBSCRIBER_SECRETS: &str = "subscriber-secrets.json";

/// A broadcaster of webhooks (lonely pub/sub): its configuration, the secrets of both directions, and the configuration of a
/// service that subscribes
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(super) struct Webhook {
    /// Where subscriptions live
    #[arg(long, value_enum, default_value_t = Store::Sqlite)]
    store: Store,

    /// The store: sqlite:FILE, postgres://USER:PASSWORD@HOST/NAME or rqlite://HOST:PORT [default: on this machine]
    #[arg(long, value_name = "ADDRESS")]
    store_address: Option<String>,

    /// How broadcasters know who subscribes and notifies
    #[arg(long, value_enum, default_value_t = Auth::Hmac, value_name = "AUTH")]
    to_broadcasters_auth: Auth,

    /// A secret that is there already: the text, which others can see, or env:NAME or file:PATH [default: a new one]
    #[arg(long, value_name = "SECRET")]
    to_broadcasters_secret: Option<String>,

    /// How subscribers know that a message comes from a broadcaster
    #[arg(long, value_enum, default_value_t = Auth::Hmac, value_name = "AUTH")]
    to_subscribers_auth: Auth,

    /// As --to-broadcasters-secret
    #[arg(long, value_name = "SECRET")]
    to_subscribers_secret: Option<String>,

    /// The folder to write into; it is made where it is missing [default: the working directory]
    #[arg(long, value_name = "FOLDER")]
    directory: Option<PathBuf>,
}

const MORE: &str = "\
hmac signs each message with 64 bytes; a token goes along with each, and is safe on https alone.
The secrets files are those of Python's lonelypss and lonelypsc, which take them as they are.";

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Store {
    /// A file, for one broadcaster.
    Sqlite,
    /// Several broadcasters may share it.
    Postgres,
    /// Several broadcasters may share it.
    Rqlite,
}

impl Store {
    const fn scheme(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite:",
            Self::Postgres => "postgres://",
            Self::Rqlite => "rqlite://",
        }
    }

    /// Where it is if nothing is said.
    const fn address(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite:subscriptions.db",
            Self::Postgres => "postgres://127.0.0.1:5432/eventhive",
            Self::Rqlite => "rqlite://127.0.0.1:4001",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Auth {
    Hmac,
    Token,
    None,
}

impl Webhook {
    pub(super) fn run(self, console: Console) -> Result<Exit, Failure> {
        let secrets = Secrets {
            to_broadcaster: secret(
                "to-broadcasters",
                self.to_broadcasters_auth,
                self.to_broadcasters_secret.as_deref(),
            )?,
            to_subscriber: secret("to-subscribers", self.to_subscribers_auth, self.to_subscribers_secret.as_deref())?,
        };
        secrets.schemes().map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let broadcaster = broadcaster(&self.address()?);
        let secrets = secrets.write();
        let files = [
            (BROADCASTER_SECRETS, secrets.as_str()),
            (SUBSCRIBER_SECRETS, secrets.as_str()),
            (SERVICE, SUBSCRIBER),
            // Last: where it is, the others are.
            (CONFIG, broadcaster.as_str()),
        ];
        let folder = self.directory.as_deref().unwrap_or(Path::new("."));
        write_new(folder, &files)?;
        self.tell(folder, console)
    }

    fn address(&self) -> Result<String, Failure> {
        let scheme = self.store.scheme();
        match &self.store_address {
            None => Ok(self.store.address().to_owned()),
            Some(address) if address.starts_with(scheme) && address.len() > scheme.len() => Ok(address.clone()),
            Some(_) => Err(Failure::new(
                Exit::Usage,
                format!("--store-address has to begin with `{scheme}`: {}", self.store.address()),
            )),
        }
    }

    fn tell(&self, folder: &Path, console: Console) -> Result<Exit, Failure> {
        let enter = self.directory.as_ref().map(|folder| format!("cd {}", quoted(&folder.display().to_string())));
        let next: Vec<String> = enter.into_iter().chain(NEXT.map(str::to_owned)).collect();
        let text = || [written(), self.note(), commands(&next)].concat();
        let answer = || {
            json!({
                "directory": folder.display().to_string(),
                "files": FILES.map(|(name, _)| name),
                "next": next,
                "service": NEXT_OF_SERVICE,
            })
        };
        console.answer(|| text().trim_end().split('\n').map(visible).collect::<Vec<_>>().join("\n"), answer)?;
        Ok(Exit::Ok)
    }

    /// What is still to be written into the configuration.
    fn note(&self) -> String {
        if matches!(self.store, Store::Sqlite) || self.store_address.is_some() {
            return String::new();
        }
        format!("Write into {CONFIG} where the store is, unless it is at {}.\n\n", self.store.address())
    }
}

const FILES: [(&str, &str); 4] = [
    (CONFIG, "the broadcaster"),
    (BROADCASTER_SECRETS, "its secrets"),
    (SUBSCRIBER_SECRETS, "the same, for those who subscribe and notify"),
    (SERVICE, "a service that does"),
];

const NEXT: [&str; 2] = ["hive-cli check", "hive-cli serve"];
const NEXT_OF_SERVICE: &str = "hive-cli serve --config subscriber.yaml";

fn written() -> String {
    let line = |(name, what): (&str, &str)| format!("  {name:WIDTH$}  {what}\n");
    format!("Written, for their owner alone:\n{}\n", FILES.map(line).concat())
}

/// Of the longest name.
const WIDTH: usize = BROADCASTER_SECRETS.len();

fn commands(next: &[String]) -> String {
    format!(
        "Next:\n  {}\n\nOn the machine of a service, with {SUBSCRIBER_SECRETS} and {SERVICE}, which has to say where the \
         broadcaster is:\n  {NEXT_OF_SERVICE}\n",
        next.join("\n  ")
    )
}

/// The secret of a direction: a new one, unless one is given.
fn secret(direction: &str, auth: Auth, given: Option<&str>) -> Result<Option<Secret>, Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let text = match (auth, given) {
        (Auth::None, None) => return Ok(None),
        (Auth::None, Some(_)) => {
            return Err(usage(format!("--{direction}-secret is not used with --{direction}-auth none: leave it out")));
        }
        (_, Some(given)) => read(given).map_err(|problem| usage(format!("--{direction}-secret: {problem}")))?,
        (_, None) => new_secret()?,
    };
    Ok(Some(if auth == Auth::Hmac { Secret::Hmac(text) } else { Secret::Token(text) }))
}

/// As a secret in a configuration.
fn read(given: &str) -> Result<Zeroizing<String>, String> {
    let node = Node { value: Value::Text(given.to_owned()), at: Position::default() };
    let found = eventhive_transport::secret::secrets(&node, "");
    let found = found.map_err(|problems| problems.into_iter().map(|problem| problem.message).collect::<String>())?;
    found.into_iter().next().ok_or_else(|| "the secret is empty".to_owned())
}

/// 64 bytes, which is what hmac takes, in URL-safe base64.
fn new_secret() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0_u8; 64]);
    getrandom::fill(&mut bytes[..])
        .map_err(|error| Failure::new(Exit::Failed, format!("the system gives no random bytes: {error}")))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(&bytes[..])))
}

fn broadcaster(address: &str) -> String {
    // A JSON text is one in YAML.
    BROADCASTER.replace("DATABASE", &json!(address).to_string())
}

const BROADCASTER: &str = r#"# A broadcaster of webhooks. `hive-cli check` reads it, `hive-cli serve` runs it.
servers:
  hive:
    create: always
    pubsub_type: webhook
    init:
      host: 127.0.0.1    # '*': all addresses of the machine; then look at `allow`, too
      port: 3003
      database: DATABASE
      secrets_file: broadcaster-secrets.json
      # Urls that are not public are not called unless they are named here, such as 10.0.0.0/8. With `loopback` whoever
      # may subscribe can make this server call what listens on its own machine: it is for subscribers there.
      allow: [loopback]
"#;

const SUBSCRIBER: &str = r#"# A service that subscribes at the broadcaster, and notifies.
connectors:
  hive:
    pubsub_type: webhook
    input_channel: service    # hears hive/service/...
    init:
      host: 127.0.0.1         # of the broadcaster
      port: 3003
      secrets_file: subscriber-secrets.json
      # Events come by a websocket that the service opens. To have them posted to the service instead:
      # upgrade: never
      # listen: {host: 0.0.0.0, port: 3002}
      # advertise: http://this.machine:3002
"#;

/// For a shell, where it needs it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
