//! The tables, in SQLite. The two of subscriptions and that of nonces are the original's, index names included.

/// The migrations, of which the nth makes version n.
pub(super) const MIGRATIONS: &[&[&str]] = &[&[
    // The original's.
    "CREATE TABLE IF NOT EXISTS httppubsub_subscription_exacts (
        id INTEGER PRIMARY KEY,
        url TEXT NOT NULL,
        exact BLOB NOT NULL,
        missed_url TEXT NULL,
        missed_lock_id INTEGER NULL,
        missed_lock_expires_at INTEGER NULL,
        missed_attempts INTEGER NULL,
        missed_next_retry_at INTEGER NULL
    )",
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_httppubsub_subscription_exacts_exact_url
        ON httppubsub_subscription_exacts (exact, url)",
    "CREATE INDEX IF NOT EXISTS idx_httppubsub_subscription_exacts_next_retry_at
        ON httppubsub_subscription_exacts (missed_next_retry_at) WHERE missed_next_retry_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS idx_httppubsub_subscription_exacts_missed_url_topic
        ON httppubsub_subscription_exacts (missed_url, exact) WHERE missed_url IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS httppubsub_subscription_globs (
        id INTEGER PRIMARY KEY,
        url TEXT NOT NULL,
        glob TEXT NOT NULL,
        missed_url TEXT NULL,
        missed_lock_id INTEGER NULL,
        missed_lock_expires_at INTEGER NULL,
        missed_topic BLOB NULL,
        missed_attempts INTEGER NULL,
        missed_next_retry_at INTEGER NULL
    )",
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_httppubsub_subscription_globs_glob_url
        ON httppubsub_subscription_globs (glob, url)",
    "CREATE INDEX IF NOT EXISTS idx_httppubsub_subscription_globs_next_retry_at
        ON httppubsub_subscription_globs (missed_next_retry_at) WHERE missed_next_retry_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS idx_httppubsub_subscription_globs_missed_url_topic
        ON httppubsub_subscription_globs (missed_url, missed_topic) WHERE missed_url IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS httppubsub_hmacs (code BLOB PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS idx_httppubsub_hmacs_expires_at ON httppubsub_hmacs (expires_at)",
    // Ours, of the original's tables: the rows of a url, and those that are locked.
    "CREATE INDEX idx_webhook_exacts_url ON httppubsub_subscription_exacts (url, exact)",
    "CREATE INDEX idx_webhook_globs_url ON httppubsub_subscription_globs (url, glob)",
    "CREATE INDEX idx_webhook_exacts_lock ON httppubsub_subscription_exacts (missed_lock_id)
        WHERE missed_lock_id IS NOT NULL",
    "CREATE INDEX idx_webhook_globs_lock ON httppubsub_subscription_globs (missed_lock_id)
        WHERE missed_lock_id IS NOT NULL",
    // Changes of both tables, whoever makes them.
    "CREATE TABLE webhook_changes (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        kind INTEGER NOT NULL,
        row_id INTEGER NOT NULL
    )",
    "CREATE TRIGGER webhook_changes_trim AFTER INSERT ON webhook_changes
        BEGIN DELETE FROM webhook_changes WHERE seq <= NEW.seq - 65536; END",
    // The largest numbers that rows had which are gone. They are not given again, so that what is meant for a row does not
    // reach another one.
    "CREATE TABLE webhook_row_ids (kind INTEGER PRIMARY KEY, last INTEGER NOT NULL)",
    "INSERT INTO webhook_row_ids VALUES (0, 0), (1, 0)",
    // INSERT OR REPLACE runs no trigger for what it deletes.
    "CREATE TRIGGER webhook_exacts_replace BEFORE INSERT ON httppubsub_subscription_exacts BEGIN
        INSERT INTO webhook_changes (kind, row_id)
            SELECT 0, id FROM httppubsub_subscription_exacts WHERE url = NEW.url AND exact = NEW.exact;
    END",
    "CREATE TRIGGER webhook_exacts_insert AFTER INSERT ON httppubsub_subscription_exacts BEGIN
        UPDATE httppubsub_subscription_exacts
            SET id = 1 + max((SELECT last FROM webhook_row_ids WHERE kind = 0),
                (SELECT max(id) FROM httppubsub_subscription_exacts))
            WHERE id = NEW.id AND NEW.id <= (SELECT last FROM webhook_row_ids WHERE kind = 0);
        UPDATE httppubsub_subscription_exacts SET exact = CAST(exact AS BLOB)
            WHERE url = NEW.url AND exact = NEW.exact AND typeof(exact) <> 'blob';
        INSERT INTO webhook_changes (kind, row_id)
            SELECT 0, id FROM httppubsub_subscription_exacts
            WHERE url = NEW.url AND exact = CAST(NEW.exact AS BLOB);
    END",
    "CREATE TRIGGER webhook_exacts_update AFTER UPDATE ON httppubsub_subscription_exacts
        WHEN OLD.id <> NEW.id OR OLD.url <> NEW.url OR OLD.exact <> NEW.exact OR OLD.missed_url IS NOT NEW.missed_url BEGIN
        UPDATE httppubsub_subscription_exacts SET exact = CAST(exact AS BLOB)
            WHERE id = NEW.id AND typeof(exact) <> 'blob';
        INSERT INTO webhook_changes (kind, row_id) VALUES (0, NEW.id);
        INSERT INTO webhook_changes (kind, row_id) SELECT 0, OLD.id WHERE OLD.id <> NEW.id;
    END",
    "CREATE TRIGGER webhook_exacts_delete AFTER DELETE ON httppubsub_subscription_exacts BEGIN
        UPDATE webhook_row_ids SET last = OLD.id WHERE kind = 0 AND last < OLD.id;
        INSERT INTO webhook_changes (kind, row_id) VALUES (0, OLD.id);
    END",
    "CREATE TRIGGER webhook_globs_replace BEFORE INSERT ON httppubsub_subscription_globs BEGIN
        INSERT INTO webhook_changes (kind, row_id)
            SELECT 1, id FROM httppubsub_subscription_globs WHERE url = NEW.url AND glob = NEW.glob;
    END",
    "CREATE TRIGGER webhook_globs_insert AFTER INSERT ON httppubsub_subscription_globs BEGIN
        UPDATE httppubsub_subscription_globs
            SET id = 1 + max((SELECT last FROM webhook_row_ids WHERE kind = 1),
                (SELECT max(id) FROM httppubsub_subscription_globs))
            WHERE id = NEW.id AND NEW.id <= (SELECT last FROM webhook_row_ids WHERE kind = 1);
        INSERT INTO webhook_changes (kind, row_id)
            SELECT 1, id FROM httppubsub_subscription_globs WHERE url = NEW.url AND glob = NEW.glob;
    END",
    "CREATE TRIGGER webhook_globs_update AFTER UPDATE ON httppubsub_subscription_globs
        WHEN OLD.id <> NEW.id OR OLD.url <> NEW.url OR OLD.glob <> NEW.glob OR OLD.missed_url IS NOT NEW.missed_url BEGIN
        INSERT INTO webhook_changes (kind, row_id) VALUES (1, NEW.id);
        INSERT INTO webhook_changes (kind, row_id) SELECT 1, OLD.id WHERE OLD.id <> NEW.id;
    END",
    "CREATE TRIGGER webhook_globs_delete AFTER DELETE ON httppubsub_subscription_globs BEGIN
        UPDATE webhook_row_ids SET last = OLD.id WHERE kind = 1 AND last < OLD.id;
        INSERT INTO webhook_changes (kind, row_id) VALUES (1, OLD.id);
    END",
    // What was tried, what could not be delivered, and what is remembered of urls.
    "CREATE TABLE webhook_attempts (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        call TEXT NOT NULL,
        url TEXT NOT NULL,
        topic BLOB NOT NULL,
        identifier BLOB NOT NULL,
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
        topic BLOB NOT NULL,
        outcome TEXT NOT NULL,
        detail TEXT NOT NULL,
        sha512 BLOB NOT NULL,
        bytes INTEGER NOT NULL,
        body BLOB NULL
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
], &[
    // Each letter that is buried looks how many its url has.
    "CREATE INDEX idx_webhook_dead_letters_url ON webhook_dead_letters (url)",
]];
