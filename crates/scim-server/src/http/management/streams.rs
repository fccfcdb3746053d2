//! The number of open streams, which is limited.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::problem::Problem;

/// The streams of one operator key, and of all.
const MAX_STREAMS_OF_KEY: usize = 8;
/// See [`MAX_STREAMS_OF_KEY`].
const MAX_STREAMS: usize = 256;

/// The number of open streams.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<Uuid, usize>>>);

/// The right to a stream, until it is dropped.
pub(super) struct Slot {
    streams: Streams,
    key: Uuid,
}

impl Streams {
    /// Counts a stream of a key until the result is dropped.
    ///
    /// # Errors
    /// 429
    pub(super) fn open(&self, key: Uuid) -> Result<Slot, Problem> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= MAX_STREAMS {
            let text = format!("this server has {MAX_STREAMS} open streams already");
            return Err(Problem::too_many_streams(text));
        }
        let of_key = open.entry(key).or_default();
        if *of_key >= MAX_STREAMS_OF_KEY {
            let text = format!("the operator key has {MAX_STREAMS_OF_KEY} open streams already");
            return Err(Problem::too_many_streams(text));
        }
        *of_key += 1;
        let streams = self.clone();
        Ok(Slot { streams, key })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_key) = open.get_mut(&self.key) {
            *of_key -= 1;
            if *of_key == 0 {
                open.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// evt-45
    #[test]
    fn evt_45_a_key_and_the_process_have_a_limited_number_of_streams() {
        let streams = Streams::default();
        let key = |number: usize| Uuid::from_u128(number as u128);
        let mut of_one: Vec<Slot> = (0..MAX_STREAMS_OF_KEY)
            .map(|_| streams.open(key(0)).expect("it is within the limit"))
            .collect();
        assert!(streams.open(key(0)).is_err());
        of_one.pop();
        of_one.push(streams.open(key(0)).expect("one was closed"));
        let others: Vec<Slot> = (MAX_STREAMS_OF_KEY..MAX_STREAMS)
            .map(|it| streams.open(key(it)).expect("it is within the limit"))
            .collect();
        assert!(streams.open(key(MAX_STREAMS)).is_err());
        drop((of_one, others));
        assert!(streams.0.lock().expect("no test panics").is_empty());
    }
}
