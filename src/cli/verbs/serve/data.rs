//! Where a server without a configuration keeps what it must not forget.

use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A store that ends with the server.
pub(super) const IN_MEMORY: &str = "sqlite::memory:";

/// The address of the database of subscriptions to webhooks: a file for each network in the user's folder for data
/// (`$XDG_DATA_HOME/eventhive`, or `~/.local/share/eventhive`), which is made. `None` if there can be no such folder.
pub(super) fn database(network: &str) -> Option<String> {
    let folder = folder().filter(|folder| make(folder))?;
    Some(format!("sqlite:{}", folder.join(file_of(network)).display()))
}

fn folder() -> Option<PathBuf> {
    let place = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = place("XDG_DATA_HOME").or_else(|| place("HOME").map(|home| home.join(".local/share")))?;
    Some(data.join("eventhive"))
}

fn make(folder: &Path) -> bool {
    // Urls of subscribers may be nobody else's business.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    // Text, because the address is one.
    made.is_ok() && folder.to_str().is_some()
}

fn file_of(network: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    format!("webhook-{}.db", network.chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_network_is_no_path() {
        assert_eq!(file_of("hive"), "webhook-hive.db");
        assert_eq!(file_of("../a b"), "webhook-.._a_b.db");
    }
}
