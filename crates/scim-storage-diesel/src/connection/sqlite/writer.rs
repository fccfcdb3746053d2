//! The thread that writes to SQLite, with group commit.
//!
//! Writes that wait together are committed together: each in its own savepoint and with its own answer, all with one
//! `fsync`. Answers are sent after the commit.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel::Connection;
use diesel::sqlite::SqliteConnection;
use scim_model::store::StoreError;

use crate::connection::conn::Conn;
use crate::error::{Failure, is_lock_timeout, unavailable};

/// The most writes that are committed together.
const BATCH: usize = 64;
/// The most writes that wait; the next one is refused as `Busy`.
pub(super) const QUEUE: usize = 1_024;
/// The longest wait of a write for another process, such as a backup, before it is refused as `Busy`.
pub(super) const PATIENCE: Duration = Duration::from_millis(2_500);

/// The queue of the writing thread, which ends when this is dropped.
pub(super) struct Writer {
    queue: Option<SyncSender<QueuedWrite>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(mut conn: SqliteConnection) -> std::io::Result<Writer> {
        let (queue, writes) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("sqlite-writer".to_owned());
        Ok(Writer {
            thread: Some(thread.spawn(move || write_all(&mut conn, &writes))?),
            queue: Some(queue),
        })
    }

    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        let write = QueuedWrite {
            since: Instant::now(),
            job: Box::new(Task {
                work,
                result: None,
                reply,
            }),
        };
        let queue = self.queue.as_ref().ok_or_else(writer_ended)?;
        match queue.try_send(write) {
            Ok(()) => answer.recv().map_err(|_| writer_ended())?,
            Err(TrySendError::Full(_)) => Err(StoreError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(writer_ended()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // Every caller already has its answer.
            let _ = thread.join();
        }
    }
}

fn writer_ended() -> StoreError {
    unavailable("the writing thread has ended")
}

/// A write in the queue, and since when it has been waiting.
struct QueuedWrite {
    since: Instant,
    job: Box<dyn Job>,
}

trait Job: Send {
    /// Does the work. `Err` rolls back what it wrote.
    fn run(&mut self, conn: &mut Conn) -> Result<(), RollBack>;
    /// Answers the caller; `failed` is the reason why nothing was committed.
    fn answer(self: Box<Self>, failed: Option<&diesel::result::Error>);
}

struct Task<T, F> {
    work: F,
    result: Option<Result<T, StoreError>>,
    reply: SyncSender<Result<T, StoreError>>,
}

/// The savepoint is rolled back. The reason is in the job, unless the savepoint itself failed.
struct RollBack(Option<diesel::result::Error>);

impl From<diesel::result::Error> for RollBack {
    fn from(error: diesel::result::Error) -> RollBack {
        RollBack(Some(error))
    }
}

impl<T: Send, F: Fn(&mut Conn) -> Result<T, Failure> + Send> Job for Task<T, F> {
    fn run(&mut self, conn: &mut Conn) -> Result<(), RollBack> {
        let result = match catch_unwind(AssertUnwindSafe(|| (self.work)(conn))) {
            Ok(result) => result.map_err(StoreError::from),
            Err(_) => Err(unavailable("a write has panicked")),
        };
        let is_ok = result.is_ok();
        self.result = Some(result);
        if is_ok { Ok(()) } else { Err(RollBack(None)) }
    }

    fn answer(self: Box<Self>, failed: Option<&diesel::result::Error>) {
        let result = match (self.result, failed) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(result)), None) => Ok(result),
            (_, Some(error)) => Err(Failure::Database(copy(error)).into()),
            (None, None) => Err(unavailable("a write was not done")),
        };
        // A caller that has gone needs no answer.
        let _ = self.reply.send(result);
    }
}

/// One error becomes the answer of every job of a batch.
fn copy(error: &diesel::result::Error) -> diesel::result::Error {
    let message = Box::new(error.to_string());
    diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::Unknown, message)
}

/// Runs until the queue is closed.
fn write_all(conn: &mut SqliteConnection, writes: &Receiver<QueuedWrite>) {
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            match writes.recv() {
                Ok(first) => waiting.push_back(first),
                Err(_) => return,
            }
        }
        let room = BATCH.saturating_sub(waiting.len());
        waiting.extend(writes.try_iter().take(room));
        let batch = waiting.len().min(BATCH);
        let mut has_begun = false;
        let committed = conn.immediate_transaction(|conn| {
            has_begun = true;
            for it in waiting.range_mut(..batch) {
                let outcome = conn.transaction(|conn| it.job.run(&mut Conn::Sqlite(conn)));
                if let Err(RollBack(Some(error))) = outcome {
                    return Err(error);
                }
            }
            Ok(())
        });
        match &committed {
            // Another process holds the lock. Writes in the queue start to wait now, not when those before them have
            // given up.
            Err(error) if !has_begun && is_lock_timeout(error) => {
                let room = QUEUE.saturating_sub(waiting.len());
                waiting.extend(writes.try_iter().take(room));
                while waiting.front().is_some_and(|it| it.since.elapsed() >= PATIENCE) {
                    if let Some(it) = waiting.pop_front() {
                        it.job.answer(Some(error));
                    }
                }
            }
            committed => {
                for it in waiting.drain(..batch) {
                    it.job.answer(committed.as_ref().err());
                }
            }
        }
    }
}
