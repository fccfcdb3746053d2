//! Times as the tables store them: milliseconds since 1970 in UTC.

use chrono::{DateTime, Utc};
use scim_model::store::StoreError;

use crate::error::unavailable;

pub(crate) fn from_millis(milliseconds: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_millis(milliseconds)
        .ok_or_else(|| unavailable(format!("the stored time {milliseconds} is out of range")))
}
