//! A password as the access list has it.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What a password is compared with.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Zeroizing<String>);

impl Secret {
    pub(super) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// Takes as long whatever the password, so that its beginning cannot be found out by the clock.
    pub(super) fn fits(&self, password: &str) -> bool {
        self.0.as_bytes().ct_eq(password.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
