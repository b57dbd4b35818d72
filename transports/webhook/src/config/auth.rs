//! Secrets of both directions, from where they are kept, and again when they are replaced.

use std::fs;
use std::path::PathBuf;

use eventhive_transport::{Problem, Settings};
use zeroize::Zeroizing;

use crate::broadcaster::{Rotation, Schemes};
use crate::wire::auth::{HmacKey, Scheme, Secrets, Token};

/// Where the secrets of a door are kept.
#[derive(Debug, Clone)]
pub struct Secrecy(Place);

#[derive(Clone)]
enum Place {
    /// With the program that uses the door.
    Fixed(Schemes),
    /// In settings, or where those say.
    Settings(Settings),
    /// In files; the first signs.
    Files(Vec<PathBuf>),
}

impl Default for Secrecy {
    /// No secrets at all.
    fn default() -> Self {
        Self::fixed(Schemes::default())
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(_) => f.write_str("Fixed"),
            Self::Settings(_) => f.write_str("Settings"),
            Self::Files(files) => f.debug_tuple("Files").field(files).finish(),
        }
    }
}

impl Secrecy {
    /// These schemes, for good.
    #[must_use]
    pub fn fixed(schemes: Schemes) -> Self {
        Self(Place::Fixed(schemes))
    }

    /// Those in these files, which are read anew each time; the first signs.
    #[must_use]
    pub fn files(files: Vec<PathBuf>) -> Self {
        Self(Place::Files(files))
    }

    /// From settings of a table with `secrets_file`, `to_broadcaster` and `to_subscriber`.
    ///
    /// # Errors
    /// Secrets that cannot be had or used, and both places at once. Files are read by [`read`](Self::read).
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let files: Vec<PathBuf> = settings.texts("secrets_file").into_iter().map(PathBuf::from).collect();
        if files.is_empty() {
            return given(settings).map(|_| Self(Place::Settings(settings.clone())));
        }
        let doubled = ["to_broadcaster", "to_subscriber"].into_iter().find(|name| settings.get(name).is_some());
        match doubled {
            Some(name) => Err(vec![settings.problem(name, "the secrets are in `secrets_file`: remove one of the two")]),
            None => Ok(Self::files(files)),
        }
    }

    /// Whether they are read from files, in which there is none: who has such files wants secrets, and has none.
    #[must_use]
    pub fn is_hollow(&self, read: &Schemes) -> bool {
        matches!(self.0, Place::Files(_)) && read.to_broadcaster.is_none() && read.to_subscriber.is_none()
    }

    /// The schemes. Reads files: not for a thread that must not wait.
    ///
    /// # Errors
    /// What is wrong with a file, and which. No text of it shows a secret.
    pub fn read(&self) -> Result<Schemes, String> {
        match &self.0 {
            Place::Fixed(schemes) => Ok(schemes.clone()),
            Place::Settings(settings) => given(settings)
                .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
            Place::Files(files) => {
                let all = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
                let (to_broadcaster, to_subscriber): (Vec<_>, Vec<_>) = all.into_iter().unzip();
                agree(files, &to_broadcaster)?;
                agree(files, &to_subscriber)?;
                Ok(Schemes {
                    to_broadcaster: Rotation::new(to_broadcaster),
                    to_subscriber: Rotation::new(to_subscriber),
                })
            }
        }
    }
}

/// A direction that one file secures and another does not would be open to whoever leaves the authorization out, or shut to
/// all who rightly do.
fn agree(files: &[PathBuf], schemes: &[Scheme]) -> Result<(), String> {
    let secured = |scheme: &Scheme| !matches!(scheme, Scheme::None);
    if schemes.iter().any(secured) && !schemes.iter().all(secured) {
        let names = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        return Err(format!("of {names} one has a secret for a direction and another has none: both or neither must"));
    }
    Ok(())
}

fn read(file: &PathBuf) -> Result<(Scheme, Scheme), String> {
    let text = fs::read_to_string(file).map(Zeroizing::new);
    let text = text.map_err(|error| {
        format!("cannot read the secrets from `{}`: {error}; `hive-cli setup webhook` makes such files", file.display())
    })?;
    let schemes = Secrets::read(&text).and_then(|secrets| secrets.schemes());
    schemes.map_err(|error| format!("{}: {error}", file.display()))
}

/// What `to_broadcaster` and `to_subscriber` say, from where they say it is.
fn given(settings: &Settings) -> Result<Schemes, Vec<Problem>> {
    match (direction(settings, "to_broadcaster"), direction(settings, "to_subscriber")) {
        (Ok(to_broadcaster), Ok(to_subscriber)) => Ok(Schemes { to_broadcaster, to_subscriber }),
        (first, second) => Err(first.err().into_iter().chain(second.err()).flatten().collect()),
    }
}

fn direction(settings: &Settings, name: &str) -> Result<Rotation, Vec<Problem>> {
    let Some(table) = settings.table(name) else { return Ok(Rotation::default()) };
    let kind = table.text("type").unwrap_or_default();
    let secrets = table.secrets("secret")?;
    match (kind, secrets.is_empty()) {
        ("none", true) => return Ok(Rotation::default()),
        ("none", false) => {
            return Err(vec![
                table.problem("secret", "`type: none` uses no secret: say `token` or `hmac`, or remove it"),
            ]);
        }
        (_, true) => return Err(vec![table.problem("type", format!("`secret` is missing, which `{kind}` needs"))]),
        (_, false) => {}
    }
    let scheme = |secret: &Zeroizing<String>| match kind {
        "hmac" => HmacKey::from_text(secret).map(Scheme::Hmac).map_err(|error| error.to_string()),
        _ => Token::new(secret).map(Scheme::Token).map_err(|error| error.to_string()),
    };
    let schemes = secrets.iter().map(scheme).collect::<Result<Vec<_>, _>>();
    schemes.map(Rotation::new).map_err(|what| vec![table.problem("secret", what)])
}
