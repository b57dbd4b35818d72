//! The folder of a log: whose it is, and who may read it.

use std::path::Path;

use super::*;

#[test]
fn two_hubs_cannot_have_one_log() {
    let folder = tempdir().unwrap();
    let first = DiskBacklog::open(small(&folder)).unwrap();
    let refused = DiskBacklog::open(small(&folder)).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("give this one another `path`"));
    drop(first);
    DiskBacklog::open(small(&folder)).unwrap();
}

#[cfg(unix)]
#[test]
fn the_key_of_the_cursors_is_kept_where_only_the_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempdir().unwrap();
    let key = DiskBacklog::open(small(&folder)).unwrap().cursor_key();
    assert_eq!(DiskBacklog::open(small(&folder)).unwrap().cursor_key(), key);
    let path = small(&folder).path;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path.join("cursor.key")), mode(&path)), (0o600, 0o700));
    // As if the process had ended while the key was being written.
    std::fs::rename(path.join("cursor.key"), path.join("cursor.key.new")).unwrap();
    let log = DiskBacklog::open(small(&folder)).unwrap();
    assert_ne!(log.cursor_key(), key);
    drop(log);
    std::fs::write(path.join("cursor.key"), "short").unwrap();
    let error = DiskBacklog::open(small(&folder)).unwrap_err().to_string();
    assert!(error.contains("cursor.key is damaged (it has 5 bytes, not 16)"), "{error}");
    let other = DiskBacklog::open(DiskSettings::new(folder.path().join("other"))).unwrap();
    assert_ne!(other.cursor_key(), key);
}

/// The folder may be older than the log, and open to all.
#[cfg(unix)]
#[test]
fn only_the_owner_reads_any_file_of_a_log_in_whatever_folder_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempdir().unwrap();
    let file = folder.path().join("backlog.json");
    std::fs::write(&file, r#"{"timestamp": 1695221122.5, "topics": ["c"], "json": {"i": 7}, "private": true}"#)
        .unwrap();
    let settings = DiskSettings { max_bytes: 1 << 20, ..small(&folder) };
    std::fs::create_dir(&settings.path).unwrap();
    std::fs::set_permissions(&settings.path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let log = DiskBacklog::open_with_pypubsub(settings.clone(), &file).unwrap();
    for _ in 0..10 {
        add(&log, &[0; 20_000]);
    }
    drop(log);
    let entries = std::fs::read_dir(&settings.path).unwrap().map(Result::unwrap);
    let modes = entries.map(|entry| (entry.file_name(), entry.metadata().unwrap().permissions().mode() & 0o777));
    let modes: Vec<_> = modes.collect();
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
    for name in ["lock", "cursor.key", "00000000000000000001.log"] {
        assert!(modes.iter().any(|(found, _)| found == name), "{name} is not among {modes:?}");
    }
    assert!(files(&settings).len() > 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_a_look_leaves_nothing_behind() {
    let folder = tempdir().unwrap();
    let below = folder.path().join("a/b/log");
    check_folder(&below).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    std::fs::write(folder.path().join("file"), "").unwrap();
    for bad in [folder.path().join("file"), folder.path().join("file/log")] {
        let error = check_folder(&bad).unwrap_err().to_string();
        assert!(error.contains(bad.to_str().unwrap()), "{error}");
    }
}
