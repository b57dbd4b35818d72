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
const OPTIONAL: &[(&str, &str)] = &[("websocket", "websocket"), ("fastapi", "websocket")];

/// Kinds that the original documents or has, and that this version has not.
const PLANNED: &[&str] = &["redis", "http", "webhook"];

impl Kinds {
    /// Those that this program was built with.
    #[must_use]
    pub fn compiled_in() -> Self {
        Self(vec![
            #[cfg(feature = "websocket")]
            websocket(),
        ])
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
            return format!("`{word}` is not in this build: build with `--features {feature}`; there are: {known}");
        }
        if PLANNED.contains(&word) {
            return format!("the transport `{word}` is planned and not in this version: there are {known}");
        }
        match eventhive_transport::settings::nearest(word, Self::words(self.0.iter())) {
            Some(near) => format!("there is no transport `{word}`: did you mean `{near}`? There are {known}"),
            None => format!("there is no transport `{word}`: there are {known}"),
        }
    }
}

#[cfg(feature = "websocket")]
const fn websocket() -> Kind {
    use eventhive_transport::KeyKind;
    use eventhive_transport::settings::PORT;

    const CONNECTOR: &[Key] = &[
        Key::with_default("scheme", KeyKind::Choice(&["ws", "wss"]), "ws", "ws, or wss for TLS."),
        Key::with_default("host", KeyKind::Text, "127.0.0.1", "The server's name or address."),
        Key::with_default("port", PORT, "8085", "The server's port."),
        Key::with_default("endpoint", KeyKind::Text, "/pubsub", "The path; a missing leading `/` is added."),
    ];
    const DOOR: &[Key] = &[
        Key::with_default("host", KeyKind::Text, "127.0.0.1", "The address to listen on."),
        Key::with_default("port", PORT, "8085", "The port to listen on."),
        Key::with_default("endpoint", KeyKind::Text, "/pubsub", "The path; a missing leading `/` is added."),
    ];
    Kind { name: "websocket", aliases: &["fastapi"], connector: Some(CONNECTOR), door: Some(DOOR) }
}
