//! Configuration templates: Python's `str.format` with the names that the original gives.
//!
//! Follows CPython 3.11 (`Objects/stringlib/unicode_format.h`): literal braces, fields, indexes, conversions, format
//! specifications with fields in them. Two differences: the attributes of a value are refused, because they are
//! Python's own and no configuration needs them; and a width that would only fill memory is refused.

mod field;
mod spec;
#[cfg(test)]
mod tests;

use field::Field;

/// How deep fields may stand in format specifications, as in Python.
const MAX_RECURSION: usize = 2;

/// The values of a template.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) network: &'a str,
    pub(crate) receiver: &'a str,
    /// Empty if there is none.
    pub(crate) secret: &'a str,
}

impl<'a> Values<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        match name {
            "network" => Some(self.network),
            "receiver" => Some(self.receiver),
            "secret" => Some(self.secret),
            _ => None,
        }
    }
}

/// Why a template cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    /// A name that has no value (Python: `KeyError`).
    #[error(
        "the template has `{{{0}}}`, which is none of {{network}}, {{receiver}}, {{secret}}: write literal braces twice"
    )]
    UnknownName(String),
    /// Anything else.
    #[error("the template cannot be read: {0}; write literal braces twice, as {{{{ and }}}}")]
    Malformed(String),
}

impl TemplateError {
    fn malformed(text: impl Into<String>) -> Self {
        Self::Malformed(text.into())
    }
}

/// Fills a template in.
///
/// # Errors
/// [`TemplateError`]; the first that is found.
pub(crate) fn fill(template: &str, values: &Values<'_>) -> Result<String, TemplateError> {
    expand(template, values, MAX_RECURSION)
}

fn expand(template: &str, values: &Values<'_>, recursion: usize) -> Result<String, TemplateError> {
    if recursion == 0 {
        return Err(TemplateError::malformed("fields stand too deep inside of each other"));
    }
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(brace) = rest.find(['{', '}']) {
        let (text, from) = rest.split_at(brace);
        filled.push_str(text);
        if let Some(behind) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            filled.push_str(&from[..1]);
            rest = behind;
        } else if let Some(inside) = from.strip_prefix('{') {
            let (field, behind) = Field::parse(inside)?;
            let spec =
                if field.spec_has_fields { expand(field.spec, values, recursion - 1)? } else { field.spec.to_owned() };
            filled.push_str(&spec::apply(&field.value(values)?, &spec)?);
            rest = behind;
        } else {
            return Err(TemplateError::malformed("a single } stands in it"));
        }
    }
    filled.push_str(rest);
    Ok(filled)
}
