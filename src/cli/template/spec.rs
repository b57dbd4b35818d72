//! Format specifications of text: `[[fill]align][0][width][.precision][s]`.

use super::TemplateError;

/// The widest result: a configuration has no use for more.
const MAX_WIDTH: usize = 1 << 16;

/// `value` cut, then padded, as `spec` says.
pub(super) fn apply(value: &str, spec: &str) -> Result<String, TemplateError> {
    if spec.is_empty() {
        return Ok(value.to_owned());
    }
    let mut rest = spec;
    let (fill, align) = fill_and_align(&mut rest);
    if rest.starts_with(['+', '-', ' ', 'z', '#']) {
        return Err(misfit("signs, z and # are for numbers"));
    }
    let fill = match (fill, rest.strip_prefix('0')) {
        (None, Some(behind)) => {
            rest = behind;
            '0'
        }
        (fill, _) => fill.unwrap_or(' '),
    };
    let width = number(&mut rest)?.unwrap_or(0);
    if rest.starts_with([',', '_']) {
        return Err(misfit("separators are for numbers"));
    }
    let precision = match rest.strip_prefix('.') {
        Some(behind) => {
            rest = behind;
            Some(number(&mut rest)?.ok_or_else(|| misfit("the precision is missing"))?)
        }
        None => None,
    };
    if !matches!(rest, "" | "s") {
        return Err(misfit("only s may stand at its end"));
    }
    if align == Some('=') {
        return Err(misfit("the alignment = is for numbers"));
    }
    Ok(pad(&cut(value, precision), fill, align.unwrap_or('<'), width))
}

fn misfit(why: &str) -> TemplateError {
    TemplateError::malformed(format!("a format specification does not fit text: {why}"))
}

fn fill_and_align(rest: &mut &str) -> (Option<char>, Option<char>) {
    let is_align = |c: char| matches!(c, '<' | '>' | '^' | '=');
    let mut characters = rest.chars();
    let (first, second) = (characters.next(), characters.next());
    match (first, second) {
        (Some(fill), Some(align)) if is_align(align) => {
            *rest = characters.as_str();
            (Some(fill), Some(align))
        }
        (Some(align), _) if is_align(align) => {
            *rest = &rest[1..];
            (None, Some(align))
        }
        _ => (None, None),
    }
}

fn number(rest: &mut &str) -> Result<Option<usize>, TemplateError> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, behind) = rest.split_at(end);
    *rest = behind;
    if digits.is_empty() {
        return Ok(None);
    }
    let number = digits.parse().ok().filter(|number| *number <= MAX_WIDTH);
    number.map(Some).ok_or_else(|| misfit("a number of it is too large"))
}

fn cut(value: &str, precision: Option<usize>) -> String {
    value.chars().take(precision.unwrap_or(usize::MAX)).collect()
}

fn pad(value: &str, fill: char, align: char, width: usize) -> String {
    let missing = width.saturating_sub(value.chars().count());
    let left = match align {
        '>' => missing,
        '^' => missing / 2,
        _ => 0,
    };
    let filler = |count: usize| std::iter::repeat_n(fill, count);
    filler(left).chain(value.chars()).chain(filler(missing - left)).collect()
}
