//! Suggestions for mistyped names.

/// The similarity from which a name counts as a mistyped one; 1 is equality.
const SIMILAR: f64 = 0.9;

/// Returns the known name that a name resembles.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|it| (strsim::jaro_winkler(it, name), it))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, it)| it)
}
