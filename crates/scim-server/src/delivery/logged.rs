//! The part of a response that the log of deliveries keeps.

/// The bytes of a response that are kept.
const LOGGED_BYTES: usize = 1024;

/// Returns the beginning of a body as text. Control characters, and bytes that are not UTF-8, become `�`.
pub(super) fn logged(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(LOGGED_BYTES)]);
    let is_text = |it: char| !it.is_control() || it == '\n' || it == '\t';
    text.chars()
        .map(|it| {
            if is_text(it) {
                it
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect()
}
