//! The log: lines wait in a bounded queue for a thread that writes them to the standard error output.
//!
//! A request must never wait for the reader of the log. When nothing reads the output, the queue fills up, and further
//! lines are lost and counted. The number is a metric, and is written to the log as soon as its reader continues.
//!
//! Libraries may log at their lowest levels whatever they send and receive, tokens and personal data included. Their
//! entries below `LIBRARIES_MOST` never reach the log.

mod json;

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;
use std::time::Duration;

use chrono::SecondsFormat;
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::clock;

/// The number of lines that wait at most.
const QUEUE: usize = 4_096;

/// The length of a line, in bytes. The rest of a longer line is left out, so that the queue has a bounded size.
const MAX_LINE: usize = 8 * 1024;

/// Lines that are written between two reports of lost lines while the queue never becomes empty.
const LINES_PER_REPORT: u32 = 1_000;

/// The time in which the last lines are written when the process ends.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The time for which a panic waits until it is in the log. The process may end right after it.
const PANIC: Duration = Duration::from_millis(500);

/// The most detailed level of entries from libraries, whatever `RUST_LOG` says.
const LIBRARIES_MOST: Level = Level::Info;

static FORMAT: OnceLock<Format> = OnceLock::new();
static QUEUE_SENDER: OnceLock<SyncSender<Item>> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);

/// The form of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Time, level, target and message.
    Text,
    /// A JSON object with the same members, and the fields of the entry.
    Json,
}

enum Item {
    Line(Vec<u8>),
    /// Everything before this item has been written when its receiver gets a message.
    Flush(Sender<()>),
}

/// Starts the log: `RUST_LOG` selects the lines. Panics are logged without their message, which may quote client input.
pub fn start(format: Format) {
    let format = *FORMAT.get_or_init(|| format);
    let usual = env_logger::Env::default().default_filter_or("info,actix_server=warn");
    let mut builder = env_logger::Builder::new();
    // Anybody can send malformed requests, so they must not look like errors of the server. `RUST_LOG=actix_http=error` shows it.
    builder.filter_module("actix_http", LevelFilter::Off);
    builder.parse_env(usual);
    if format == Format::Json {
        builder.format(|out, record| writeln!(out, "{}", json::line(record, MAX_LINE, &now())));
    }
    let (sender, receiver) = sync_channel(QUEUE);
    let thread = thread::Builder::new().name("log".to_owned());
    let started = thread.spawn(move || write_all(&receiver, &mut io::stderr()));
    // Without a thread, lines are written directly.
    if started.is_ok() && QUEUE_SENDER.set(sender).is_ok() {
        builder.target(env_logger::Target::Pipe(Box::new(Queue)));
    }
    let logger = builder.build();
    let most = logger.filter();
    if log::set_boxed_logger(Box::new(Safe(logger))).is_ok() {
        log::set_max_level(most);
    }
    std::panic::set_hook(Box::new(|info| {
        match info.location() {
            Some(place) => log::error!("panic in {place}"),
            None => log::error!("panic"),
        }
        flush_within(PANIC);
    }));
}

/// Returns the form of the lines.
pub fn format() -> Format {
    *FORMAT.get().unwrap_or(&Format::Text)
}

/// A logger without the entries of libraries that may contain anything.
struct Safe(env_logger::Logger);

impl Log for Safe {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if record.level() <= LIBRARIES_MOST || record.module_path().is_some_and(is_own) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Returns whether a module belongs to this project.
fn is_own(module: &str) -> bool {
    let name = module.split("::").next().unwrap_or_default();
    [
        "scim_filter",
        "scim_model",
        "scim_patch",
        "scim_server",
        "scim_storage_diesel",
    ]
    .contains(&name)
}

fn now() -> String {
    clock::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Writes the lines that wait, unless nothing reads them. To be called when the process ends.
pub fn flush() {
    flush_within(LAST_LINES);
}

/// Returns the number of lines that were lost since the start because nothing read them.
pub fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

fn flush_within(limit: Duration) {
    let Some(queue) = QUEUE_SENDER.get() else {
        return;
    };
    let (done, is_done) = channel();
    let end = std::time::Instant::now() + limit;
    while queue.try_send(Item::Flush(done.clone())).is_err() {
        if std::time::Instant::now() >= end {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let _ = is_done.recv_timeout(end.saturating_duration_since(std::time::Instant::now()));
}

/// The target of env_logger, which writes each line with one call.
struct Queue;

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let is_queued = QUEUE_SENDER
            .get()
            .is_some_and(|queue| queue.try_send(Item::Line(shortened(line))).is_ok());
        if !is_queued {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shortened(line: &[u8]) -> Vec<u8> {
    match line.get(..MAX_LINE) {
        Some(start) if line.len() > MAX_LINE => [start, "…\n".as_bytes()].concat(),
        _ => line.to_vec(),
    }
}

/// Writes the lines of a queue until its senders are gone.
fn write_all(queue: &Receiver<Item>, output: &mut impl Write) {
    let mut reported = 0;
    let mut lines_since_report = 0;
    loop {
        let item = match queue.try_recv() {
            Ok(item) => item,
            Err(TryRecvError::Empty) => {
                report(&mut reported, output);
                match queue.recv() {
                    Ok(item) => item,
                    Err(_) => return,
                }
            }
            Err(TryRecvError::Disconnected) => return,
        };
        match item {
            Item::Line(line) => {
                if output.write_all(&line).is_err() {
                    LOST.fetch_add(1, Ordering::Relaxed);
                    // It cannot be reported on an output that is closed.
                    reported += 1;
                }
                lines_since_report += 1;
                if lines_since_report >= LINES_PER_REPORT {
                    lines_since_report = 0;
                    report(&mut reported, output);
                }
            }
            Item::Flush(done) => {
                report(&mut reported, output);
                let _ = output.flush();
                let _ = done.send(());
            }
        }
    }
}

fn report(reported: &mut u64, output: &mut impl Write) {
    let lost = lost_lines();
    if lost > *reported {
        let new = lost - *reported;
        *reported = lost;
        let text = format!("{new} lines of the log were lost, because nothing read them");
        let line = match format() {
            Format::Json => json::warning(module_path!(), &text, &now()),
            Format::Text => {
                let now = clock::now().to_rfc3339_opts(SecondsFormat::Secs, true);
                format!("[{now} WARN  {}] {text}", module_path!())
            }
        };
        let _ = writeln!(output, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_shortened() {
        assert_eq!(shortened(b"short\n"), b"short\n");
        let long = shortened(&[b'x'; 3 * MAX_LINE]);
        assert_eq!(long.len(), MAX_LINE + "…\n".len());
        assert!(long.ends_with("…\n".as_bytes()));
    }

    #[test]
    fn only_modules_of_this_project_are_its_own() {
        for own in ["scim_server", "scim_storage_diesel::sql"] {
            assert!(is_own(own), "{own}");
        }
        for other in ["ureq_proto::util", "scim_serverless", ""] {
            assert!(!is_own(other), "{other}");
        }
    }
}
