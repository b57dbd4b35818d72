-- What the original broadcaster, lonelypss 0.0.12, makes of a file that is not there, and three subscriptions that it was given.
BEGIN TRANSACTION;
CREATE TABLE httppubsub_subscription_exacts (
        id INTEGER PRIMARY KEY,
        url TEXT NOT NULL,
        exact BLOB NOT NULL,
        missed_url TEXT NULL,
        missed_lock_id INTEGER NULL,
        missed_lock_expires_at INTEGER NULL,
        missed_attempts INTEGER NULL,
        missed_next_retry_at INTEGER NULL
    );
INSERT INTO "httppubsub_subscription_exacts" VALUES(1,'http://one.example/v1/receive',X'6E657773','http://one.example/v1/recover',NULL,NULL,NULL,NULL);
INSERT INTO "httppubsub_subscription_exacts" VALUES(2,'http://two.example/v1/receive',X'FF00',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE httppubsub_subscription_globs (
        id INTEGER PRIMARY KEY,
        url TEXT NOT NULL,
        glob TEXT NOT NULL,
        missed_url TEXT NULL,
        missed_lock_id INTEGER NULL,
        missed_lock_expires_at INTEGER NULL,
        missed_topic BLOB NULL,
        missed_attempts INTEGER NULL,
        missed_next_retry_at INTEGER NULL
    );
INSERT INTO "httppubsub_subscription_globs" VALUES(1,'http://one.example/v1/receive','new*',NULL,NULL,NULL,NULL,NULL,NULL);
CREATE UNIQUE INDEX idx_httppubsub_subscription_exacts_exact_url ON httppubsub_subscription_exacts (exact, url);
CREATE INDEX idx_httppubsub_subscription_exacts_next_retry_at
    ON httppubsub_subscription_exacts (missed_next_retry_at)
    WHERE missed_next_retry_at IS NOT NULL
                ;
CREATE INDEX idx_httppubsub_subscription_exacts_missed_url_topic
    ON httppubsub_subscription_exacts (missed_url, exact) WHERE missed_url IS NOT NULL
                ;
CREATE UNIQUE INDEX idx_httppubsub_subscription_globs_glob_url ON httppubsub_subscription_globs (glob, url);
CREATE INDEX idx_httppubsub_subscription_globs_next_retry_at
    ON httppubsub_subscription_globs (missed_next_retry_at)
    WHERE missed_next_retry_at IS NOT NULL
                ;
CREATE INDEX idx_httppubsub_subscription_globs_missed_url_topic
    ON httppubsub_subscription_globs (missed_url, missed_topic) WHERE missed_url IS NOT NULL
                ;
COMMIT;
