//! One replacement field: `name[index]!conversion:spec`.

use std::borrow::Cow;

use super::{TemplateError, Values};
use crate::cli::python;

#[derive(Debug)]
pub(super) struct Field<'a> {
    name: &'a str,
    conversion: Option<char>,
    pub(super) spec: &'a str,
    pub(super) spec_has_fields: bool,
}

impl<'a> Field<'a> {
    /// Reads what follows an opening brace. Returns the field and the rest behind its closing brace.
    pub(super) fn parse(text: &'a str) -> Result<(Self, &'a str), TemplateError> {
        let end = name_end(text)?;
        let (name, from) = text.split_at(end);
        let mut field = Self { name, conversion: None, spec: "", spec_has_fields: false };
        let mut rest = from;
        if let Some(behind) = rest.strip_prefix('!') {
            let mut characters = behind.chars();
            field.conversion = Some(characters.next().ok_or_else(unclosed)?);
            rest = characters.as_str();
            if !rest.starts_with([':', '}']) {
                return Err(if rest.is_empty() {
                    unclosed()
                } else {
                    TemplateError::malformed("expected : after the conversion")
                });
            }
        }
        if let Some(behind) = rest.strip_prefix(':') {
            let end = spec_end(behind)?;
            (field.spec, rest) = behind.split_at(end);
            field.spec_has_fields = field.spec.contains('{');
        }
        Ok((field, rest.strip_prefix('}').ok_or_else(unclosed)?))
    }

    /// The value with indexes and conversion applied.
    pub(super) fn value(&self, values: &Values<'_>) -> Result<String, TemplateError> {
        let end = self.name.find(['.', '[']).unwrap_or(self.name.len());
        let (name, accessors) = self.name.split_at(end);
        if name.chars().all(|c| c.is_ascii_digit()) {
            return Err(TemplateError::malformed("a field without a name or with a number"));
        }
        let value = values.get(name).ok_or_else(|| TemplateError::UnknownName(name.to_owned()))?;
        let value = access(value, accessors)?;
        match self.conversion {
            None | Some('s') => Ok(value.into_owned()),
            Some('r') => Ok(python::repr_text(&value)),
            Some('a') => Ok(python::ascii_text(&value)),
            Some(other) => Err(TemplateError::malformed(format!("unknown conversion {other:?}: use r, s or a"))),
        }
    }
}

/// Where the name ends: at `!`, `:` or `}` outside of brackets.
fn name_end(text: &str) -> Result<usize, TemplateError> {
    let mut bracket = false;
    for (at, c) in text.char_indices() {
        match c {
            '{' => return Err(TemplateError::malformed("unexpected { in a field's name")),
            '[' => bracket = true,
            ']' => bracket = false,
            '}' | ':' | '!' if !bracket => return Ok(at),
            _ => {}
        }
    }
    Err(unclosed())
}

/// Where the specification ends: at the brace that closes the field, those of fields inside counted.
fn spec_end(text: &str) -> Result<usize, TemplateError> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Ok(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    Err(unclosed())
}

fn unclosed() -> TemplateError {
    TemplateError::malformed("a { is not closed")
}

/// Applies `[0]` and the like.
fn access<'a>(value: &'a str, mut accessors: &str) -> Result<Cow<'a, str>, TemplateError> {
    let mut value = Cow::Borrowed(value);
    while !accessors.is_empty() {
        let Some(inside) = accessors.strip_prefix('[') else {
            let attribute = accessors.starts_with('.');
            let message = if attribute { "attributes of values are not supported" } else { "only . or [ may follow ]" };
            return Err(TemplateError::malformed(message));
        };
        let (index, behind) = inside.split_once(']').ok_or_else(|| TemplateError::malformed("missing ] in a field"))?;
        if index.is_empty() {
            return Err(TemplateError::malformed("empty brackets in a field"));
        }
        let index: usize = index.parse().map_err(|_| TemplateError::malformed("an index must be a whole number"))?;
        let character = value.chars().nth(index).ok_or_else(|| TemplateError::malformed("an index is out of range"))?;
        value = Cow::Owned(character.to_string());
        accessors = behind;
    }
    Ok(value)
}
