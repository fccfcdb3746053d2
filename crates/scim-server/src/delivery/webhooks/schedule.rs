//! The times of attempts (Standard Webhooks 1.0, "Retries").

use chrono::{DateTime, TimeDelta, Utc};

/// The delays between two attempts: ten attempts in about three days.
const DELAYS: [TimeDelta; 9] = [
    TimeDelta::seconds(5),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(5),
    TimeDelta::hours(10),
    TimeDelta::hours(14),
    TimeDelta::hours(20),
    TimeDelta::hours(24),
];

/// The largest deviation from a delay, as a part of it. It keeps the messages of an outage from returning together.
const JITTER: f64 = 0.2;

/// The longest pause that an endpoint can ask for.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(24);

/// The time without a success after which an endpoint is disabled.
pub(super) const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(5);

/// Returns the delay after a number of failed attempts, at least 1, or `None` after the last attempt. `jitter` is a
/// random number from -1 to 1.
pub(super) fn delay(failed: u32, jitter: f64) -> Option<TimeDelta> {
    let delay = DELAYS.get(failed.saturating_sub(1) as usize)?;
    let factor = 1.0 + JITTER * jitter.clamp(-1.0, 1.0);
    // A delay of a day has 86,400,000 ms, which a float represents exactly.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    let milliseconds = (delay.num_milliseconds() as f64 * factor) as i64;
    Some(TimeDelta::milliseconds(milliseconds))
}

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
    fn evt_18_delays_grow_over_three_days_with_jitter() {
        let all: Vec<_> = (1..).map_while(|failed| delay(failed, 0.0)).collect();
        assert_eq!(all, DELAYS);
        let days = all.into_iter().sum::<TimeDelta>();
        assert!(days > TimeDelta::days(3) && days < TimeDelta::days(4));
        for failed in 1..=9 {
            let (usual, low, high) = (
                delay(failed, 0.0).expect("there is an attempt"),
                delay(failed, -1.0).expect("there is an attempt"),
                delay(failed, 1.0).expect("there is an attempt"),
            );
            assert_eq!((low, high), (usual * 4 / 5, usual * 6 / 5));
        }
    }

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
