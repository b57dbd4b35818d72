//! The statements, and where databases differ. Parameters are `$1`, `$2`, ...

use std::borrow::Cow;
use std::sync::Arc;

use super::hex;
use crate::wire::InterestKind;

/// How long nobody else gets a MISSED, in seconds; the original's.
pub(super) const LOCK_SECS: u64 = 30;

/// How a database writes what SQL leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Dialect {
    /// SQLite, whose topics are bytes.
    #[cfg_attr(not(any(feature = "sqlite", test)), expect(dead_code, reason = "it comes with the feature `sqlite`"))]
    Sqlite,
    /// SQLite, whose topics are text: their bytes in lower-case hex, which sorts as they do.
    Rqlite,
    Postgres,
}

/// The statements of one of the two tables of subscriptions.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) table: &'static str,
    pub(super) insert: Arc<str>,
    pub(super) find: Arc<str>,
    pub(super) find_to_remove: Arc<str>,
    pub(super) remove: Arc<str>,
    pub(super) remove_row: Arc<str>,
    pub(super) of_url: Arc<str>,
    pub(super) of_url_after: Arc<str>,
    pub(super) all_of_url: Arc<str>,
    pub(super) keep_only: Arc<str>,
    pub(super) correct: Arc<str>,
    pub(super) add_all: Arc<str>,
    pub(super) page: Arc<str>,
    pub(super) rows: Arc<str>,
    pub(super) count: Arc<str>,
    pub(super) missed: MissedTexts,
}

/// Those of the MISSED of its rows.
#[derive(Debug)]
pub(super) struct MissedTexts {
    pub(super) miss: Arc<str>,
    pub(super) is_due: Arc<str>,
    pub(super) lock: Arc<str>,
    pub(super) locked: Arc<str>,
    pub(super) done: Arc<str>,
    pub(super) later: Arc<str>,
}

impl Dialect {
    /// A statement as this database reads it.
    pub(in crate::store) fn text(self, text: impl Into<String>) -> Arc<str> {
        let text = text.into();
        match self {
            Self::Sqlite | Self::Postgres => text.into(),
            Self::Rqlite => text.replace('$', "?").into(),
        }
    }

    /// That a column of text or bytes is this. PostgreSQL has no index of long values, but one of their digests.
    pub(super) fn same(self, column: &str, value: &str) -> String {
        match self {
            Self::Sqlite | Self::Rqlite => format!("{column} = {value}"),
            Self::Postgres => format!("webhook_key({column}) = webhook_key({value}) AND {column} = {value}"),
        }
    }

    /// That a column of text or bytes comes after this.
    fn after(self, column: &str, value: &str) -> String {
        match self {
            Self::Sqlite | Self::Rqlite => format!("{column} > {value}"),
            // The index of one url's rows has the first bytes of each.
            Self::Postgres => format!("webhook_start({column}) >= webhook_start({value}) AND {column} > {value}"),
        }
    }

    fn order(self, column: &str) -> String {
        match self {
            Self::Sqlite | Self::Rqlite => column.to_owned(),
            Self::Postgres => format!("webhook_start({column}), {column}"),
        }
    }

    /// A parameter, in JSON a list of lists, as rows with one column, `item.value`.
    pub(super) fn list(self, parameter: &str) -> String {
        match self {
            Self::Sqlite | Self::Rqlite => format!("json_each({parameter}) AS item"),
            Self::Postgres => format!("json_array_elements({parameter}::json) AS item(value)"),
        }
    }

    /// What the interest of such a list is in the table.
    pub(super) fn interest(self, kind: InterestKind, item: &str) -> String {
        match (self, kind) {
            (Self::Sqlite, InterestKind::Exact) => format!("unhex({item})"),
            (Self::Postgres, InterestKind::Exact) => format!("decode({item}, 'hex')"),
            (_, InterestKind::Glob) => self.listed_text(item),
            (Self::Rqlite, InterestKind::Exact) => item.to_owned(),
        }
    }

    /// A text of such a list. What SQLite a cluster has is not known, and older ones cut a text of JSON at U+0000: it is in hex.
    fn listed_text(self, item: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => item.to_owned(),
            Self::Rqlite => format!("CAST(unhex({item}) AS TEXT)"),
        }
    }

    /// A text as such a list has it.
    pub(super) fn to_list(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Sqlite | Self::Postgres => text.into(),
            Self::Rqlite => hex(text.as_bytes()).into(),
        }
    }

    /// A text for people as this database can keep it: PostgreSQL has no U+0000, and one would keep the whole statement from it.
    pub(super) fn without_nul(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Postgres if text.contains('\0') => text.replace('\0', "\u{fffd}").into(),
            Self::Sqlite | Self::Rqlite | Self::Postgres => text.into(),
        }
    }

    /// The code of such a list, where a statement can return what it has added. rqlite may not know that a statement does: it
    /// looks for `RETURNING` by a parser of its own.
    pub(super) fn code(self, item: &str) -> Option<String> {
        (self != Self::Rqlite).then(|| self.interest(InterestKind::Exact, item))
    }

    /// At the end of a statement that reads what the next will change.
    fn to_change(self) -> &'static str {
        match self {
            Self::Sqlite | Self::Rqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    fn not_in_work(self) -> &'static str {
        match self {
            Self::Sqlite | Self::Rqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// The number of the row that was added last.
    pub(super) fn last(self, table: &str) -> Arc<str> {
        match self {
            Self::Sqlite | Self::Rqlite => "SELECT last_insert_rowid()".into(),
            Self::Postgres => format!("SELECT currval(pg_get_serial_sequence('{table}', 'number'))").into(),
        }
    }

    /// Makes transactions that replace the subscriptions of one url wait for each other, where they don't anyway.
    pub(super) fn in_turn(self) -> Option<Arc<str>> {
        match self {
            Self::Sqlite | Self::Rqlite => None,
            // The number is the namespace of these locks; it means nothing.
            Self::Postgres => Some("SELECT pg_advisory_xact_lock(hashtextextended($1, 7034112))".into()),
        }
    }

    /// What is unique in a table with a url a row.
    pub(super) fn unique_url(self) -> &'static str {
        match self {
            Self::Sqlite | Self::Rqlite => "(url)",
            Self::Postgres => "(webhook_key(url))",
        }
    }
}

impl Texts {
    pub(super) fn new(dialect: Dialect, kind: InterestKind) -> Self {
        let (table, interest) = match kind {
            InterestKind::Exact => ("httppubsub_subscription_exacts", "exact"),
            InterestKind::Glob => ("httppubsub_subscription_globs", "glob"),
        };
        let text = |text: String| dialect.text(text);
        let same_url = dialect.same("url", "$1");
        let same = format!("{same_url} AND {}", dialect.same(interest, "$2"));
        // Asked before, because triggers of SQLite tell of a row that is inserted, even if a conflict then keeps it out.
        let same_item = dialect.same(interest, &dialect.interest(kind, "item.value ->> 0"));
        let columns = format!("id, url, {interest}, missed_url");
        let listed = dialect.list("$2");
        let item = dialect.interest(kind, "item.value ->> 0");
        let recovery = dialect.listed_text("item.value ->> 1");
        let order = dialect.order(interest);
        let to_change = dialect.to_change();
        let after = dialect.after(interest, "$2");
        Self {
            table,
            insert: text(format!(
                "INSERT INTO {table} (url, {interest}, missed_url) SELECT $1, $2, $3 \
                 WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {same}) ON CONFLICT DO NOTHING"
            )),
            find: text(format!("SELECT id FROM {table} WHERE {same}")),
            find_to_remove: text(format!("SELECT id FROM {table} WHERE {same}{to_change}")),
            remove: text(format!("DELETE FROM {table} WHERE {same}")),
            remove_row: text(format!("DELETE FROM {table} WHERE id = $1")),
            of_url: text(format!("SELECT {columns} FROM {table} WHERE {same_url} ORDER BY {order} LIMIT $2")),
            of_url_after: text(format!(
                "SELECT {columns} FROM {table} WHERE {same_url} AND {after} ORDER BY {order} LIMIT $3"
            )),
            all_of_url: text(format!("SELECT {columns} FROM {table} WHERE {same_url}")),
            keep_only: text(format!(
                "DELETE FROM {table} WHERE {same_url} AND {interest} NOT IN (SELECT {item} FROM {listed})"
            )),
            correct: text(format!(
                "UPDATE {table} SET missed_url = wanted.recovery \
                 FROM (SELECT {item} AS interest, {recovery} AS recovery FROM {listed}) AS wanted \
                 WHERE {same_url} AND {interest} = wanted.interest AND missed_url IS DISTINCT FROM wanted.recovery"
            )),
            add_all: text(format!(
                "INSERT INTO {table} (url, {interest}, missed_url) \
                 SELECT $1, {item}, {recovery} FROM {listed} \
                 WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {same_url} AND {same_item}) ON CONFLICT DO NOTHING"
            )),
            page: text(format!("SELECT {columns} FROM {table} WHERE id > $1 ORDER BY id LIMIT $2")),
            rows: text(format!(
                "SELECT {columns} FROM {table} WHERE id IN (SELECT CAST(item.value ->> 0 AS BIGINT) FROM {})",
                dialect.list("$1")
            )),
            count: text(format!("SELECT count(*) FROM {table}")),
            missed: MissedTexts::new(dialect, kind, table, &columns),
        }
    }
}

impl MissedTexts {
    /// `columns` are those of a row.
    fn new(dialect: Dialect, kind: InterestKind, table: &str, columns: &str) -> Self {
        let text = |text: String| dialect.text(text);
        let not_in_work = dialect.not_in_work();
        let due = "missed_next_retry_at <= $1 AND (missed_lock_expires_at IS NULL OR missed_lock_expires_at < $1)";
        // It was taken at this time, and was due then. A time to tell that is later than this is that of a later miss.
        let taken = format!("missed_lock_expires_at - {LOCK_SECS}");
        let later_miss = format!("missed_next_retry_at > {taken}");
        // The topic that was missed has a column only where the row does not tell it.
        let (topic, set_topic, no_topic) = match kind {
            InterestKind::Exact => ("exact", "", String::new()),
            InterestKind::Glob => {
                let no_topic = format!("missed_topic = CASE WHEN {later_miss} THEN missed_topic END, ");
                ("missed_topic", "missed_topic = $4, ", no_topic)
            }
        };
        let unlocked = "missed_lock_id = NULL, missed_lock_expires_at = NULL";
        Self {
            miss: text(format!(
                "UPDATE {table} SET {set_topic}missed_attempts = coalesce(missed_attempts, $2), missed_next_retry_at = CASE \
                 WHEN missed_next_retry_at IS NULL THEN $3 \
                 WHEN missed_next_retry_at <= {taken} AND $3 > {taken} THEN $3 \
                 WHEN missed_next_retry_at <= {taken} THEN {taken} + 1 \
                 ELSE missed_next_retry_at END WHERE id = $1"
            )),
            is_due: text(format!("SELECT id FROM {table} WHERE {due} LIMIT 1")),
            lock: text(format!(
                "UPDATE {table} SET missed_lock_id = $2, missed_lock_expires_at = $3 WHERE id = \
                 (SELECT id FROM {table} WHERE {due} ORDER BY missed_next_retry_at LIMIT 1{not_in_work})"
            )),
            locked: text(format!("SELECT {columns}, {topic}, missed_attempts FROM {table} WHERE missed_lock_id = $1")),
            done: text(format!(
                "UPDATE {table} SET {no_topic}missed_attempts = CASE WHEN {later_miss} THEN 0 END, \
                 missed_next_retry_at = CASE WHEN {later_miss} THEN missed_next_retry_at END, {unlocked} \
                 WHERE missed_lock_id = $1"
            )),
            later: text(format!(
                "UPDATE {table} SET missed_attempts = $2, missed_next_retry_at = $3, {unlocked} WHERE missed_lock_id = $1"
            )),
        }
    }
}
