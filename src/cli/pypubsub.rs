//! The files of a PyPubSub server, as verbs take them.

use std::path::{Path, PathBuf};

use eventhive::config::Sources;
use eventhive::config::pypubsub::ACL_FILE;

use super::console::Console;

/// PyPubSub's configuration and its access list; `None` is the one that PyPubSub itself would read, if it is there.
pub(crate) fn read(sources: &mut Sources, config: &Path, acl: Option<PathBuf>, console: Console) {
    let usual = || Some(PathBuf::from(ACL_FILE)).filter(|file| file.exists());
    let acl = acl.or_else(usual);
    if acl.is_none() {
        console.note(&format!("note: there is no {ACL_FILE}: nobody sees private events (--acl names another file)"));
    }
    sources.read_pypubsub(config, acl.as_deref());
}
