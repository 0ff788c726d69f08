//! What master and agent answer alike below `/files` (src/files/files.cpp).

/// `/files/read` gives at most so much at once (16 pages).
pub const MAX_READ_BYTES: u64 = 16 * 4_096;
/// What is answered to a question that names no file.
pub const NO_PATH: &str = "Expecting 'path=value' in query.";

/// The number that `what` has in a query; not given, or -1: `None`.
///
/// # Errors
/// What is wrong with it, in Mesos' words.
pub fn number(what: &str, text: Option<&str>) -> Result<Option<u64>, String> {
    let Some(text) = text else { return Ok(None) };
    let number: i64 = text
        .parse()
        .map_err(|_| format!("Failed to parse {what}: Failed to convert '{text}' to number."))?;
    match number {
        -1 => Ok(None),
        ..-1 => Err(format!("Negative {what} provided: {number}.")),
        _ => Ok(Some(number.unsigned_abs())),
    }
}

/// Bytes of a file of `size` from `offset` on, as text; a character whose rest comes later is left for
/// the next piece.
#[must_use]
pub fn text(mut data: Vec<u8>, offset: u64, size: u64) -> String {
    if offset + (data.len() as u64) < size
        && let Err(fault) = std::str::from_utf8(&data)
        && fault.error_len().is_none()
        && fault.valid_up_to() > 0
    {
        data.truncate(fault.valid_up_to());
    }
    String::from_utf8(data)
        .unwrap_or_else(|fault| String::from_utf8_lossy(fault.as_bytes()).into_owned())
}

/// A name that can stand in a header.
#[must_use]
pub fn plain_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_refused_in_mesos_words() {
        assert_eq!(number("offset", None), Ok(None));
        assert_eq!(number("offset", Some("-1")), Ok(None));
        assert_eq!(number("length", Some("7")), Ok(Some(7)));
        let negative = number("offset", Some("-2")).unwrap_err();
        assert_eq!(negative, "Negative offset provided: -2.");
        assert!(number("length", Some("x")).unwrap_err().starts_with("Failed to parse length: "));
    }

    #[test]
    fn a_character_is_given_whole_and_what_is_no_text_all_the_same() {
        let euro = "a€".as_bytes();
        assert_eq!(text(euro[..3].to_vec(), 0, 4), "a");
        assert_eq!(text(euro.to_vec(), 0, 4), "a€");
        assert_eq!(text(vec![0xff, b'a'], 0, 9), "\u{fffd}a");
        // Nothing but the beginning of one: the reader must get on.
        assert_eq!(text(vec![0xe2], 0, 9), "\u{fffd}");
    }
}
