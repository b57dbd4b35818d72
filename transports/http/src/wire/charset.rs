//! From the bytes of a body to text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

/// The text of a body in the charset that its content type names, UTF-8 if it names none. `None` if the charset is
/// unknown or the bytes are not of it.
#[must_use]
pub fn decode<'a>(body: &'a [u8], content_type: Option<&str>) -> Option<Cow<'a, str>> {
    let encoding = match content_type.and_then(charset) {
        None => UTF_8,
        Some(label) => lookup(label)?,
    };
    if encoding == UTF_8 {
        return std::str::from_utf8(body).ok().map(Cow::Borrowed);
    }
    encoding.decode_without_bom_handling_and_without_replacement(body)
}

fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

/// Publishers are written in Python, which calls some charsets by other names than the web does.
fn lookup(label: &str) -> Option<&'static Encoding> {
    let plain: String =
        label.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
    match plain.as_str() {
        "utf8" | "u8" => Some(UTF_8),
        "latin1" | "l1" | "iso88591" => Encoding::for_label(b"latin1"),
        _ => Encoding::for_label_no_replacement(label.as_bytes()),
    }
}
