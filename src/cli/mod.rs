//! x
pub(crate) mod python;
pub(crate) mod template;
