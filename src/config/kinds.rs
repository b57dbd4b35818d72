//! The transports that a configuration may name, with the tables of their keys.

use eventhive_transport::Key;

/// One kind of wire as a configuration sees it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The word in `pubsub_type`.
    pub name: &'static str,
    /// Other words for the same.
    pub aliases: &'static [&'static str],
    /// The keys of a connector's `init`; `None` if it has no client side.
    pub connector: Option<&'static [Key]>,
    /// The keys of a server's `init`; `None` if it has no server side.
    pub door: Option<&'static [Key]>,
}

/// The kinds that are known. A program with a transport of its own adds it with [`with`](Self::with).
#[derive(Debug, Clone)]
pub struct Kinds(Vec<Kind>);

/// Kinds that this program could have been built with, and their cargo features.
const OPTIONAL: &[(&str, &str)] = &[
    ("websocket", "websocket"),
    ("fastapi", "websocket"),
    ("http", "http"),
    ("pypubsub", "http"),
    ("redis", "redis"),
    ("webhook", "webhook"),
    ("lonely", "webhook"),
    ("lonelyps", "webhook"),
];

impl Kinds {
    /// None: the start for a list of one's own.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Those that this library was built with, as [`HiveBuilder::kinds`](crate::HiveBuilder::kinds) gives them.
    #[must_use]
    pub fn compiled_in() -> Self {
        crate::Hive::builder().kinds()
    }

    /// These and one more. A kind of the same name is replaced.
    #[must_use]
    pub fn with(mut self, kind: Kind) -> Self {
        self.0.retain(|known| known.name != kind.name);
        self.0.push(kind);
        self
    }

    /// The kind that has this name or alias.
    #[must_use]
    pub fn find(&self, word: &str) -> Option<&Kind> {
        self.0.iter().find(|kind| kind.name == word || kind.aliases.contains(&word))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.0.iter()
    }

    /// Every word that names one of `kinds`.
    pub(super) fn words<'a>(kinds: impl Iterator<Item = &'a Kind>) -> impl Iterator<Item = &'static str> {
        kinds.flat_map(|kind| std::iter::once(kind.name).chain(kind.aliases.iter().copied()))
    }

    /// What is wrong with a word that names no kind, and the fix.
    pub(super) fn unknown(&self, word: &str) -> String {
        let known = Self::words(self.0.iter()).collect::<Vec<_>>().join(", ");
        if let Some((_, feature)) = OPTIONAL.iter().find(|(kind, _)| *kind == word) {
            return format!(
                "`{word}` is not in this build: build it with `cargo build --release --features {feature}`; there are {known}"
            );
        }
        match eventhive_transport::settings::nearest(word, Self::words(self.0.iter())) {
            Some(near) => format!("there is no transport `{word}`: did you mean `{near}`? There are {known}"),
            None => format!("there is no transport `{word}`: there are {known}"),
        }
    }
}
