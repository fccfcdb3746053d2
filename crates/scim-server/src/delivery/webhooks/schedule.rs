//! The times of attempts (Standard Webhooks 1.0, "Retries").

use chrono::TimeDelta;

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
}
