//! The time, also while the clock of the machine is set to a time before 1970.
//!
//! chrono and uuid panic then. Machines without a battery, and virtual machines, may have such a clock for a while.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use uuid::{NoContext, Timestamp, Uuid};

/// Returns the current time, or the beginning of 1970 if the clock says an earlier time.
pub fn now() -> DateTime<Utc> {
    DateTime::from(SystemTime::now()).max(DateTime::UNIX_EPOCH)
}

/// Returns a new id that is greater than earlier ones (RFC 9562 section 5.7).
pub fn new_id() -> Uuid {
    if is_set() {
        Uuid::now_v7()
    } else {
        Uuid::new_v7(Timestamp::from_unix(NoContext, 0, 0))
    }
}

/// Returns whether the clock says 1970 or later.
pub fn is_set() -> bool {
    SystemTime::now() >= SystemTime::UNIX_EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_with_the_time() {
        let (first, second) = (new_id(), new_id());
        assert!(first < second);
        assert!(now() > DateTime::UNIX_EPOCH && is_set());
    }
}
