//! The two formats of the metrics.

use std::fmt::Write as _;

use actix_web::http::header::{ACCEPT, HeaderMap};

/// Returns whether a client asks for OpenMetrics by its name.
pub(super) fn names_openmetrics(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).filter_map(|it| it.to_str().ok());
    values.flat_map(|it| it.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts
            .next()
            .is_some_and(|it| it.eq_ignore_ascii_case("application/openmetrics-text"));
        let quality = |it: &str| it.strip_prefix("q=").and_then(|it| it.parse::<f32>().ok());
        is_named && !parts.filter_map(quality).any(|it| it <= 0.0)
    })
}

/// Converts OpenMetrics to the text format 0.0.4, where the name of a counter's family includes `_total`, and units and
/// the end of the text are not marked.
pub(super) fn to_plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let help = line.strip_prefix("# HELP ").and_then(|it| it.split_once(' '));
        let kind = line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' '));
        let is_counter = |kind: Option<(&str, &str)>| kind.is_some_and(|(_, it)| it == "counter");
        let next = lines.peek().and_then(|it| it.strip_prefix("# TYPE "));
        if let Some((name, text)) = help
            && is_counter(next.and_then(|it| it.split_once(' ')))
        {
            let _ = writeln!(plain, "# HELP {name}_total {text}");
        } else if let Some((name, _)) = kind
            && is_counter(kind)
        {
            let _ = writeln!(plain, "# TYPE {name}_total counter");
        } else if line != "# EOF" && !line.starts_with("# UNIT ") {
            let _ = writeln!(plain, "{line}");
        }
    }
    plain
}
