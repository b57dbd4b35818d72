//! The fix for an error of syntax, read off the line where the parser gave up.

/// What to try, given the whole text and the place of the error (both from 1).
///
/// The parser's own words say what it stumbled over; this looks at what people do wrong. It decides by the source, not
/// by the parser's text, and never repeats the source: it may have a secret.
pub(super) fn fix(text: &str, line: usize, column: usize) -> &'static str {
    let lines: Vec<&str> = text.lines().collect();
    let here = lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
    let before = line.checked_sub(2).and_then(|line| lines.get(line)).copied().unwrap_or_default();
    let at = here.chars().nth(column.saturating_sub(1));
    if [here, before].iter().any(|line| indentation(line).contains('\t')) {
        "indent with spaces, not with tabs"
    } else if matches!(at, Some('@' | '`' | '%')) {
        "put text that begins with this character in quotes"
    } else if [here, before].iter().any(|line| line.matches(": ").count() > 1 && !line.contains(['{', '"', '\''])) {
        "put text that has a colon and a space in it in quotes"
    } else if [here, before].iter().any(|line| odd(line, '"') || odd(line, '\'')) {
        "close the quotes"
    } else if text.matches(['{', '[']).count() != text.matches(['}', ']']).count() {
        "close every { and [; put text that begins with one in quotes"
    } else {
        "check the indentation, the quotes and the space behind each colon, here and in the line before"
    }
}

fn indentation(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

fn odd(line: &str, quote: char) -> bool {
    line.matches(quote).count() % 2 == 1
}
