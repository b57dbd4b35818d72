//! The secrets of a run.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::process;

/// How the messages of one direction are authorized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    None,
    Token,
    Hmac,
}

impl Auth {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Token => "token",
            Self::Hmac => "hmac",
        }
    }
}

/// A folder with the secrets of both directions, and what else a broadcaster keeps.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// Of [`Auth::Hmac`] both ways.
    pub(crate) fn signed() -> Self {
        Self::with(Auth::Hmac, Auth::Hmac)
    }

    pub(crate) fn with(to_broadcasters: Auth, to_subscribers: Auth) -> Self {
        let to_broadcasters = ["--to-broadcasters-auth", to_broadcasters.name()];
        Self::set_up(&[&to_broadcasters[..], &["--to-subscribers-auth", to_subscribers.name()]].concat())
    }

    /// What `hive-cli setup webhook` makes with these options.
    pub(crate) fn set_up(options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let arguments = [&["setup", "webhook"], options].concat();
        let (_, errors, code) = process::run(Path::new(env!("CARGO_BIN_EXE_hive-cli")), folder.path(), &arguments);
        assert_eq!(code, 0, "{errors}");
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// As an argument of a program.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}
