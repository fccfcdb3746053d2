//! The thread that writes to SQLite, with group commit.
//!
//! Writes that wait together are committed together, with one `fsync`. Each has its own savepoint and its own result,
//! which is sent after the commit.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel::Connection;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sqlite::SqliteConnection;
use scim_model::store::{StoreError, TenantId, WaitTimes};

use super::file::OpenFiles;
use crate::connection::conn::Conn;
use crate::error::{Failure, is_lock_timeout, unavailable};
use crate::waits::Waits;

/// The most writes that are committed together.
const BATCH: usize = 64;
/// The time after which no further write is added to those that are committed together, so that a few large writes do
/// not delay the result of a small one.
const LONGEST_BATCH: Duration = Duration::from_millis(100);
/// The most writes that wait; the next one is refused as `Busy`.
pub(super) const MAX_WAITING: usize = 1_024;
/// The longest wait of a write for another process, such as a backup, before it is refused as `Busy`.
pub(super) const MAX_WAIT: Duration = Duration::from_millis(2_500);
/// The interval at which the database file is checked while nothing is written.
const FILE_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The queue of the writing thread, which ends when this is dropped.
pub(super) struct Writer {
    queue: Option<SyncSender<QueuedWrite>>,
    thread: Option<JoinHandle<()>>,
    waits: Arc<Waits>,
}

impl Writer {
    /// Starts the thread, which also checks that the database file is still in its place.
    pub(super) fn start(mut conn: SqliteConnection, files: Arc<OpenFiles>) -> std::io::Result<Writer> {
        let (queue, writes) = sync_channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("sqlite-writer".to_owned());
        let waits = Arc::new(Waits::default());
        let recorded = waits.clone();
        Ok(Writer {
            thread: Some(thread.spawn(move || write_all(&mut conn, &writes, &files, &recorded))?),
            queue: Some(queue),
            waits,
        })
    }

    pub(super) fn waits(&self) -> WaitTimes {
        self.waits.times()
    }

    pub(super) fn write<T: Send + 'static>(
        &self,
        tenant: TenantId,
        work: impl Fn(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, result) = sync_channel(1);
        let (answer, outcome) = sync_channel(1);
        let write = QueuedWrite {
            since: Instant::now(),
            tenant,
            work: Box::new(move |conn| {
                let result = catch_unwind(AssertUnwindSafe(|| work(conn)));
                let result = result.unwrap_or_else(|_| Err(unavailable("a write has panicked").into()));
                let is_ok = result.is_ok();
                // The caller waits for the outcome before it takes the result.
                let _ = reply.send(result);
                is_ok
            }),
            answer,
        };
        let queue = self.queue.as_ref().ok_or_else(writer_ended)?;
        queue.try_send(write).map_err(|it| match it {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => writer_ended(),
        })?;
        match (outcome.recv(), result.try_recv()) {
            (_, Ok(Err(failure))) => Err(failure.into()),
            (Ok(None), Ok(Ok(result))) => Ok(result),
            (Ok(Some(error)), _) => Err(error),
            _ => Err(writer_ended()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // Every caller already has its result.
            let _ = thread.join();
        }
    }
}

fn writer_ended() -> StoreError {
    unavailable("the writing thread has ended")
}

/// A write in the queue.
struct QueuedWrite {
    /// The time at which it was added to the queue.
    since: Instant,
    tenant: TenantId,
    /// Does the work. `false` rolls back what it wrote.
    work: Box<dyn FnMut(&mut Conn) -> bool + Send>,
    /// Tells the caller that the write was committed, or why nothing was.
    answer: SyncSender<Option<StoreError>>,
}

impl QueuedWrite {
    fn answer(self, failed: Option<StoreError>) {
        // A caller that has gone needs no result.
        let _ = self.answer.send(failed);
    }
}

/// Copies an error, because it becomes the result of every write of a batch.
fn copy(error: &Error) -> StoreError {
    Failure::Database(Error::DatabaseError(
        DatabaseErrorKind::Unknown,
        Box::new(error.to_string()),
    ))
    .into()
}

/// Reorders the writes so that tenants take turns, and a tenant with many writes does not delay those of others.
fn take_turns(waiting: &mut VecDeque<QueuedWrite>) {
    let Some(first) = waiting.front().map(|it| it.tenant) else {
        return;
    };
    if waiting.iter().all(|it| it.tenant == first) {
        return;
    }
    let mut turns: HashMap<TenantId, u32> = HashMap::new();
    let in_turn = waiting.drain(..).map(|it| {
        let turn = turns.entry(it.tenant).or_default();
        *turn += 1;
        (*turn, it)
    });
    let mut in_turn: Vec<(u32, QueuedWrite)> = in_turn.collect();
    in_turn.sort_by_key(|(turn, _)| *turn);
    waiting.extend(in_turn.into_iter().map(|(_, it)| it));
}

/// Runs until the queue is closed.
fn write_all(conn: &mut SqliteConnection, writes: &Receiver<QueuedWrite>, files: &OpenFiles, waits: &Waits) {
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            match writes.recv_timeout(FILE_CHECK_INTERVAL) {
                Ok(first) => waiting.push_back(first),
                Err(RecvTimeoutError::Timeout) => {
                    files.refresh();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let room = MAX_WAITING.saturating_sub(waiting.len());
        waiting.extend(writes.try_iter().take(room));
        take_turns(&mut waiting);
        let batch = waiting.len().min(BATCH);
        let began = Instant::now();
        let mut done = 0;
        let mut has_begun = false;
        let committed = conn.immediate_transaction(|conn| {
            has_begun = true;
            for it in waiting.range_mut(..batch) {
                waits.record(it.since.elapsed());
                let outcome = conn.transaction(|conn| match (it.work)(&mut Conn::Sqlite(conn)) {
                    true => Ok(()),
                    false => Err(Error::RollbackTransaction),
                });
                if !matches!(outcome, Ok(()) | Err(Error::RollbackTransaction)) {
                    return outcome;
                }
                done += 1;
                if began.elapsed() > LONGEST_BATCH {
                    break;
                }
            }
            Ok(())
        });
        match &committed {
            // Another process holds the lock. Queued writes begin to wait for the lock now, not after those before
            // them have given up.
            Err(error) if !has_begun && is_lock_timeout(error) => {
                let room = MAX_WAITING.saturating_sub(waiting.len());
                waiting.extend(writes.try_iter().take(room));
                let is_overdue = |it: &QueuedWrite| it.since.elapsed() >= MAX_WAIT;
                let (overdue, left): (VecDeque<_>, VecDeque<_>) = waiting.drain(..).partition(is_overdue);
                waiting = left;
                for it in overdue {
                    it.answer(Some(copy(error)));
                }
            }
            Err(error) => {
                for it in waiting.drain(..batch) {
                    it.answer(Some(copy(error)));
                }
            }
            Ok(()) => {
                // A write that was committed to a deleted file is lost.
                files.refresh();
                for it in waiting.drain(..done) {
                    it.answer(files.check().err());
                }
            }
        }
    }
}
