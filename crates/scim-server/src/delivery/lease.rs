//! The time for which a worker may send.

use std::time::{Duration, Instant};

use chrono::TimeDelta;

/// The duration of a lease. Another worker takes over the work of a process that was killed after this time.
/// After a renewal, there is time for the longest request.
pub(super) const LEASE: TimeDelta = TimeDelta::seconds(18);

/// The pause between two renewals.
pub(super) const RENEWAL: Duration = Duration::from_secs(2);

/// No request begins when the lease ends sooner than this.
const LEAST: Duration = Duration::from_secs(6);

/// The time before the end of the lease at which requests have ended.
const MARGIN: Duration = Duration::from_secs(1);

/// The end of the leases on the clock of this process, which no adjustment of the time moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeaseClock {
    end: Option<Instant>,
}

impl LeaseClock {
    /// No lease.
    pub(super) fn ended() -> LeaseClock {
        LeaseClock { end: None }
    }

    /// A lease that was asked for at a time, and so ends no earlier than its duration after that.
    pub(super) fn asked_for(at: Instant) -> LeaseClock {
        LeaseClock {
            end: at.checked_add(LEASE.to_std().unwrap_or_default()),
        }
    }

    /// Returns the time that a request that begins now may take, or `None` if none may begin.
    pub(super) fn time_for_request(self, now: Instant) -> Option<Duration> {
        let left = self.end?.checked_duration_since(now)?;
        (left >= LEAST).then(|| left - MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_end_before_the_lease() {
        let began = Instant::now();
        let lease = LeaseClock::asked_for(began);
        let after = |seconds| lease.time_for_request(began + Duration::from_secs(seconds));
        assert_eq!(after(0), Some(Duration::from_secs(17)));
        assert_eq!(after(12), Some(Duration::from_secs(5)));
        assert_eq!(after(13), None);
        assert_eq!(after(60), None);
        // Requests to webhooks and receivers of tokens take up to 15 seconds.
        assert_eq!(after(RENEWAL.as_secs()), Some(Duration::from_secs(15)));
        assert_eq!(LeaseClock::ended().time_for_request(began), None);
    }
}
