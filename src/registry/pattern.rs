//! What a hook or a stream listens to.

use eventhive_transport::{EventName, Glob, NameError};

/// A name, or a glob that stands for every event it matches: those defined now, and those defined later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// This event. It is defined if it was not.
    Name(EventName),
    /// Every event that matches.
    Glob(Glob),
}

impl Pattern {
    /// Reads `text` as a glob if it has a wildcard, otherwise as a name. `a[*]` is the name `a*`.
    ///
    /// # Errors
    /// [`NameError`] if it can be neither.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let glob = Glob::new(text)?;
        match glob.literal() {
            Some(name) => Ok(Self::Name(EventName::new(name)?)),
            None => Ok(Self::Glob(glob)),
        }
    }

    /// Whether the event of this name is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own.as_str() == name,
            Self::Glob(glob) => glob.matches(name),
        }
    }

    /// The text of the name or glob.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(name) => name.as_str(),
            Self::Glob(glob) => glob.as_str(),
        }
    }
}

/// One pattern or several, given as texts, names or globs.
pub trait IntoPatterns {
    /// The patterns.
    ///
    /// # Errors
    /// [`NameError`] of the first that is none.
    fn into_patterns(self) -> Result<Vec<Pattern>, NameError>;
}

impl IntoPatterns for Pattern {
    fn into_patterns(self) -> Result<Vec<Pattern>, NameError> {
        Ok(vec![self])
    }
}

impl IntoPatterns for &str {
    fn into_patterns(self) -> Result<Vec<Pattern>, NameError> {
        Pattern::new(self)?.into_patterns()
    }
}

impl IntoPatterns for &String {
    fn into_patterns(self) -> Result<Vec<Pattern>, NameError> {
        self.as_str().into_patterns()
    }
}

impl IntoPatterns for String {
    fn into_patterns(self) -> Result<Vec<Pattern>, NameError> {
        self.as_str().into_patterns()
    }
}

impl IntoPatterns for EventName {
    /// The name itself, whatever characters it has.
    fn into_patterns(self) -> Result<Vec<Pattern>, NameError> {
        Pattern::Name(self).into_patterns()
    }
}

impl IntoPatterns for Glob {
    fn into_patterns(self) -> Result<Vec<Pattern>, NameError> {
        Pattern::Glob(self).into_patterns()
    }
}

impl<T: IntoPatterns, const N: usize> IntoPatterns for [T; N] {
    fn into_patterns(self) -> Result<Vec<Pattern>, NameError> {
        self.into_iter().map(IntoPatterns::into_patterns).collect::<Result<Vec<_>, _>>().map(|lists| lists.concat())
    }
}

impl<T: IntoPatterns> IntoPatterns for Vec<T> {
    fn into_patterns(self) -> Result<Vec<Pattern>, NameError> {
        self.into_iter().map(IntoPatterns::into_patterns).collect::<Result<Vec<_>, _>>().map(|lists| lists.concat())
    }
}

impl<T: IntoPatterns + Clone> IntoPatterns for &[T] {
    fn into_patterns(self) -> Result<Vec<Pattern>, NameError> {
        self.to_vec().into_patterns()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_wildcards_is_a_name() {
        assert!(matches!(Pattern::new("worker/act").unwrap(), Pattern::Name(_)));
        assert!(matches!(Pattern::new("worker/*").unwrap(), Pattern::Glob(_)));
        assert_eq!(Pattern::new("a[*]").unwrap().as_str(), "a*");
        assert!(matches!(EventName::new("a*").unwrap().into_patterns().unwrap()[0], Pattern::Name(_)));
        assert_eq!(["a", "b/*"].into_patterns().unwrap().len(), 2);
        assert!(Pattern::new("").is_err());
    }
}
