//! The parentheses and brackets of a text, found before it is parsed.

use crate::ast::CompareOp;

/// Yields the parentheses and brackets outside of strings, with their byte offsets.
///
/// The text may be malformed. Up to the point where the grammar refuses it, strings begin and end here as they do in
/// the grammar: a single quote within a word (`o'brien`) does not begin a string, unless the word so far is an
/// operator (`value eq'x'`).
pub(crate) fn brackets(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let mut bytes = text.bytes().enumerate();
    let mut quote = None;
    let mut word = 0;
    std::iter::from_fn(move || {
        loop {
            let (at, byte) = bytes.next()?;
            if let Some(closing) = quote {
                if byte == b'\\' {
                    bytes.next();
                } else if byte == closing {
                    quote = None;
                    word = at + 1;
                }
                continue;
            }
            match byte {
                b'"' => quote = Some(byte),
                b'\'' if word == at || CompareOp::from_word(&text[word..at]).is_some() => quote = Some(byte),
                b'(' | b')' | b'[' | b']' => {
                    word = at + 1;
                    return Some((at, byte));
                }
                b' ' | b'\t'..=b'\r' => word = at + 1,
                _ => {}
            }
        }
    })
}

/// Returns the offset of the first parenthesis or bracket that opens more than `max` levels.
pub(crate) fn too_deep(text: &str, max: usize) -> Option<usize> {
    // Most texts have too few of them to nest too deep.
    if text.bytes().filter(|it| matches!(it, b'(' | b'[')).count() <= max {
        return None;
    }
    let mut depth = 0_usize;
    brackets(text).find_map(|(at, byte)| {
        if matches!(byte, b')' | b']') {
            depth = depth.saturating_sub(1);
            return None;
        }
        depth += 1;
        (depth > max).then_some(at)
    })
}

/// Whether `offset` lies in brackets that are closed after it, and past the first word in them: `emails[0]` and
/// `emails[]` contain no filter, so their mistake is in the path itself.
pub(crate) fn is_in_value_filter(text: &str, offset: usize) -> bool {
    let mut open = None;
    for (at, byte) in brackets(text) {
        match byte {
            b'[' if at < offset => open = Some(at),
            b']' if at >= offset => {
                return open.is_some_and(|open| !text[open + 1..offset].trim().is_empty());
            }
            b']' => open = None,
            _ => {}
        }
    }
    false
}
