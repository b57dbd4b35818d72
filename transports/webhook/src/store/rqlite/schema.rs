//! The tables, in rqlite. They are those of SQLite, but for bytes, which are text: lower-case hex. JSON has no bytes, and hex
//! sorts as they do.

/// The migrations, of which the nth makes version n.
pub(super) const MIGRATIONS: &[&[&str]] = &[
    &[
        "CREATE TABLE httppubsub_subscription_exacts (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            url TEXT NOT NULL,
            exact TEXT NOT NULL CHECK (exact NOT GLOB '*[^0-9a-f]*' AND length(exact) % 2 = 0),
            missed_url TEXT NULL,
            missed_lock_id INTEGER NULL,
            missed_lock_expires_at INTEGER NULL,
            missed_attempts INTEGER NULL,
            missed_next_retry_at INTEGER NULL
        )",
        "CREATE UNIQUE INDEX idx_httppubsub_subscription_exacts_exact_url ON httppubsub_subscription_exacts (exact, url)",
        "CREATE INDEX idx_httppubsub_subscription_exacts_next_retry_at
            ON httppubsub_subscription_exacts (missed_next_retry_at) WHERE missed_next_retry_at IS NOT NULL",
        "CREATE INDEX idx_webhook_exacts_url ON httppubsub_subscription_exacts (url, exact)",
        "CREATE INDEX idx_webhook_exacts_lock ON httppubsub_subscription_exacts (missed_lock_id)
            WHERE missed_lock_id IS NOT NULL",
        "CREATE TABLE httppubsub_subscription_globs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            url TEXT NOT NULL,
            glob TEXT NOT NULL,
            missed_url TEXT NULL,
            missed_lock_id INTEGER NULL,
            missed_lock_expires_at INTEGER NULL,
            missed_topic TEXT NULL,
            missed_attempts INTEGER NULL,
            missed_next_retry_at INTEGER NULL
        )",
        "CREATE UNIQUE INDEX idx_httppubsub_subscription_globs_glob_url ON httppubsub_subscription_globs (glob, url)",
        "CREATE INDEX idx_httppubsub_subscription_globs_next_retry_at
            ON httppubsub_subscription_globs (missed_next_retry_at) WHERE missed_next_retry_at IS NOT NULL",
        "CREATE INDEX idx_webhook_globs_url ON httppubsub_subscription_globs (url, glob)",
        "CREATE INDEX idx_webhook_globs_lock ON httppubsub_subscription_globs (missed_lock_id)
            WHERE missed_lock_id IS NOT NULL",
        "CREATE TABLE httppubsub_hmacs (code TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX idx_httppubsub_hmacs_expires_at ON httppubsub_hmacs (expires_at)",
        // Changes of both tables, whoever makes them.
        "CREATE TABLE webhook_changes (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            kind INTEGER NOT NULL,
            row_id INTEGER NOT NULL
        )",
        "CREATE TRIGGER webhook_changes_trim AFTER INSERT ON webhook_changes
            BEGIN DELETE FROM webhook_changes WHERE seq <= NEW.seq - 65536; END",
        // INSERT OR REPLACE runs no trigger for what it deletes.
        "CREATE TRIGGER webhook_exacts_replace BEFORE INSERT ON httppubsub_subscription_exacts
            BEGIN INSERT INTO webhook_changes (kind, row_id)
                SELECT 0, id FROM httppubsub_subscription_exacts WHERE url = NEW.url AND exact = NEW.exact; END",
        "CREATE TRIGGER webhook_exacts_insert AFTER INSERT ON httppubsub_subscription_exacts
            BEGIN INSERT INTO webhook_changes (kind, row_id) VALUES (0, NEW.id); END",
        "CREATE TRIGGER webhook_exacts_update AFTER UPDATE ON httppubsub_subscription_exacts
            WHEN OLD.id <> NEW.id OR OLD.url <> NEW.url OR OLD.exact <> NEW.exact OR OLD.missed_url IS NOT NEW.missed_url
            BEGIN INSERT INTO webhook_changes (kind, row_id) SELECT 0, OLD.id UNION SELECT 0, NEW.id; END",
        "CREATE TRIGGER webhook_exacts_delete AFTER DELETE ON httppubsub_subscription_exacts
            BEGIN INSERT INTO webhook_changes (kind, row_id) VALUES (0, OLD.id); END",
        "CREATE TRIGGER webhook_globs_replace BEFORE INSERT ON httppubsub_subscription_globs
            BEGIN INSERT INTO webhook_changes (kind, row_id)
                SELECT 1, id FROM httppubsub_subscription_globs WHERE url = NEW.url AND glob = NEW.glob; END",
        "CREATE TRIGGER webhook_globs_insert AFTER INSERT ON httppubsub_subscription_globs
            BEGIN INSERT INTO webhook_changes (kind, row_id) VALUES (1, NEW.id); END",
        "CREATE TRIGGER webhook_globs_update AFTER UPDATE ON httppubsub_subscription_globs
            WHEN OLD.id <> NEW.id OR OLD.url <> NEW.url OR OLD.glob <> NEW.glob OR OLD.missed_url IS NOT NEW.missed_url
            BEGIN INSERT INTO webhook_changes (kind, row_id) SELECT 1, OLD.id UNION SELECT 1, NEW.id; END",
        "CREATE TRIGGER webhook_globs_delete AFTER DELETE ON httppubsub_subscription_globs
            BEGIN INSERT INTO webhook_changes (kind, row_id) VALUES (1, OLD.id); END",
        "CREATE TABLE webhook_attempts (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            at_ms INTEGER NOT NULL,
            call TEXT NOT NULL,
            url TEXT NOT NULL,
            topic TEXT NOT NULL,
            identifier TEXT NOT NULL,
            outcome TEXT NOT NULL,
            detail TEXT NOT NULL,
            status INTEGER NULL,
            took_us INTEGER NOT NULL,
            bytes INTEGER NOT NULL
        )",
        "CREATE INDEX idx_webhook_attempts_at_ms ON webhook_attempts (at_ms)",
        "CREATE TABLE webhook_dead_letters (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            at_ms INTEGER NOT NULL,
            url TEXT NOT NULL,
            topic TEXT NOT NULL,
            outcome TEXT NOT NULL,
            detail TEXT NOT NULL,
            sha512 TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            body TEXT NULL
        )",
        "CREATE TABLE webhook_endpoints (
            url TEXT PRIMARY KEY NOT NULL,
            failing_since INTEGER NULL,
            failures INTEGER NOT NULL,
            disabled_at INTEGER NULL,
            reason TEXT NOT NULL,
            verified_at INTEGER NULL,
            allowed_rate INTEGER NULL
        )",
    ],
    &[
        // Each letter that is buried looks how many its url has.
        "CREATE INDEX idx_webhook_dead_letters_url ON webhook_dead_letters (url)",
    ],
];

/// The columns that have bytes.
pub(super) const BYTES: &[&str] = &["exact", "missed_topic", "topic", "identifier", "sha512", "body", "code"];
