//! Databases of doors, before anything is started.

use eventhive::config::{Kinds, Sources};

fn problems(doors: &[(&str, &str)]) -> String {
    let mut text = String::from("servers:\n");
    for (number, (server, database)) in doors.iter().enumerate() {
        text += &format!(
            "  {server}: {{pubsub_type: webhook, create: always, init: {{port: {}, database: '{database}'}}}}\n",
            4000 + number
        );
    }
    let mut sources = Sources::new();
    sources.read_named("hub.yaml", &text);
    sources.resolve(&Kinds::compiled_in()).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn two_doors_with_one_database_are_refused_however_it_is_spelled() {
    for (one, other) in [
        ("sqlite:a.db", "sqlite:a.db"),
        ("sqlite:a.db", "sqlite:./b/../a.db"),
        ("sqlite:a.db", "sqlite://a.db"),
        ("rqlite://10.0.0.1:4001", "rqlite://10.0.0.1:4001"),
    ] {
        let told = problems(&[("a", one), ("b", other)]);
        assert!(told.starts_with("hub.yaml:3:"), "{told}");
        assert!(told.contains("servers.b.init.database: `servers.a.init` has its subscriptions in"), "{told}");
        assert!(told.contains("a database of its own"), "{told}");
    }
    for (one, other) in [("sqlite:a.db", "sqlite:b.db"), ("sqlite::memory:", "sqlite::memory:")] {
        assert_eq!(problems(&[("a", one), ("b", other)]), "");
    }
}
