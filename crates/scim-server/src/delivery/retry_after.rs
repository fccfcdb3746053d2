//! The header `Retry-After` of receivers.

use chrono::{DateTime, TimeDelta, Utc};

/// The longest pause that a receiver can ask for.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(24);

/// Returns the pause that the header `Retry-After` asks for (RFC 9110 section 10.2.3), at most a day. A text that is
/// neither a number of seconds nor a date asks for nothing.
pub(super) fn retry_after(text: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let text = text.trim();
    let pause = match text.bytes().all(|it| it.is_ascii_digit()) {
        true if text.is_empty() => return None,
        true => text
            .parse()
            .ok()
            .and_then(TimeDelta::try_seconds)
            .unwrap_or(LONGEST_PAUSE),
        false => DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now,
    };
    Some(pause.clamp(TimeDelta::zero(), LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evt_16_retry_after_is_seconds_or_a_date_and_at_most_a_day() {
        let now = DateTime::parse_from_rfc3339("2026-11-30T12:00:00Z")
            .expect("it is a time")
            .to_utc();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999", Some(86400)),
            ("99999999999999999999999", Some(86400)),
            ("Mon, 30 Nov 2026 12:05:00 GMT", Some(300)),
            ("Mon, 30 Nov 2026 11:00:00 GMT", Some(0)),
            ("Fri, 01 Jan 2027 00:00:00 GMT", Some(86400)),
            ("", None),
            ("-1", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(TimeDelta::seconds), "{text}");
        }
    }
}
