//! Taking over the backlog of PyPubSub.

use super::*;

#[test]
fn a_backlog_of_pypubsub_is_taken_over_with_times_topics_and_privacy() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("backlog.json");
    let lines = [
        r#"{"timestamp": 1695221122.2370172, "topics": ["c", "7"], "json": {"i": 7, "pubsub_timestamp": 1695221122.2370172, "pubsub_topics": ["c", "7"], "pubsub_path": "/c/7", "pubsub_cursor": "b3ea264d-ec23-40a1-b7d9-3c2aa071ecda"}, "private": false}"#,
        r#"{"timestamp": 1695221124.5193632, "topics": ["git", "privaterepo.git"], "json": {"i":  1e2, "pubsub_path": "/private/git/privaterepo.git", "pubsub_cursor": "53a29d02-e05b-49da-956d-b0cd5a9cb632"}, "private": true}"#,
        r#"{"timestamp": 1695221125.5, "topics": ["a", "b"], "json": {"pubsub_path": "//a//b"}, "private": false}"#,
        "no json",
        r#"{"timestamp": 1695221126, "topics": ["a"], "json": {"cut": "#,
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let log = DiskBacklog::open(small(&folder)).unwrap();
    assert!(log.is_new());
    assert_eq!(log.import_pypubsub(&file).unwrap(), Imported { events: 3, skipped: 2 });
    assert!(matches!(log.import_pypubsub(&file), Err(ImportError::NotNew)));
    drop(log);
    let log = DiskBacklog::open(small(&folder)).unwrap();
    assert!(!log.is_new());
    let found = all(&log);
    let [first, second, third] = &found[..] else { panic!("{found:?}") };
    assert_eq!((first.topic().as_str(), first.is_private()), (Some("c/7"), false));
    assert_eq!(first.id().to_string(), "b3ea264d-ec23-40a1-b7d9-3c2aa071ecda");
    let since = first.time().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(since.as_secs_f64(), 1_695_221_122.237_017_2);
    assert!(first.payload().starts_with(br#"{"i": 7, "pubsub_timestamp": 1695221122.2370172, "#));
    assert_eq!((second.topic().as_str(), second.is_private()), (Some("git/privaterepo.git"), true));
    assert!(second.payload().starts_with(br#"{"i":  1e2, "#), "to the letter");
    assert_eq!((first.attribute("pubsub_path"), second.attribute("pubsub_path")), (None, None));
    assert_eq!(third.attribute("pubsub_path").map(|path| &path[..]), Some(&b"//a//b"[..]));
}

#[test]
fn a_backlog_is_taken_over_once_and_half_of_one_never() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("backlog.json");
    let line = r#"{"timestamp": 1695221122.5, "topics": ["c"], "json": {"i": 7}, "private": false}"#;
    std::fs::write(&file, format!("{line}\n{line}\n")).unwrap();
    let log = DiskBacklog::open_with_pypubsub(small(&folder), &file).unwrap();
    assert_eq!(log.len(), 2);
    drop(log);
    // As if the process had ended in the midst of it.
    std::fs::write(small(&folder).path.join("importing"), "").unwrap();
    assert!(DiskBacklog::open(small(&folder)).unwrap().is_new(), "what there is of it is no backlog");
    let log = DiskBacklog::open_with_pypubsub(small(&folder), &file).unwrap();
    add(&log, b"more");
    drop(log);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(DiskBacklog::open_with_pypubsub(small(&folder), &file).unwrap().len(), 3, "it is not needed any more");
    let other = DiskSettings::new(folder.path().join("other"));
    let error = DiskBacklog::open_with_pypubsub(other.clone(), &file).unwrap_err().to_string();
    assert!(error.contains("backlog.json cannot be read"), "{error}");
    assert!(check_import(&other.path, &file).is_err() && check_import(&small(&folder).path, &file).is_ok());
}
