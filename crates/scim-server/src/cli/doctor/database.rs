//! The database, its files and its clock.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;

use super::finding::Findings;
use crate::cli::Terminal;
use crate::cli::migrate::MigrationList;

/// The state of a database.
#[derive(Clone, Debug, Default)]
pub struct DatabaseState {
    /// Its migrations.
    pub migrations: MigrationList,
    /// The files of a SQLite database; `None` for PostgreSQL.
    pub files: Option<DatabaseFiles>,
    /// The difference between the clock of PostgreSQL and that of this machine, positive if PostgreSQL is ahead.
    pub clock_ahead: Option<TimeDelta>,
    /// The settings of PostgreSQL with which it may lose acknowledged changes.
    pub unsafe_settings: Vec<&'static str>,
}

/// The files of a SQLite database.
#[derive(Clone, Debug)]
pub struct DatabaseFiles {
    /// The database.
    pub path: PathBuf,
    /// The size of the database, in bytes.
    pub database: u64,
    /// The size of the write-ahead log, in bytes.
    pub log: u64,
}

/// From this difference of clocks on, the order of changes is hard to understand.
const NOTABLE_SKEW: TimeDelta = TimeDelta::seconds(5);

/// From this difference of clocks on, leases and the expiry of tokens differ between servers.
const HARMFUL_SKEW: TimeDelta = TimeDelta::seconds(60);

/// The server truncates the log to 64 MiB. A larger one belongs to a long read or to a large write.
const NOTABLE_LOG: u64 = 256 << 20;

/// Below this free space, writes will soon fail.
const LITTLE_SPACE: u64 = 100 << 20;

pub(super) fn examine(state: &DatabaseState, terminal: &Terminal, findings: &mut Findings) {
    migrations(&state.migrations, terminal, findings);
    for setting in &state.unsafe_settings {
        findings.error(
            "durability",
            format!("PostgreSQL runs with `{setting} = off`, and may lose acknowledged changes"),
            format!("set `{setting}` to `on`"),
        );
    }
    if let Some(ahead) = state.clock_ahead {
        skew("the database", ahead, findings);
    }
    if let Some(files) = &state.files {
        log_size(files, findings);
        space(files, free_bytes(&files.path), findings);
    }
}

fn migrations(list: &MigrationList, terminal: &Terminal, findings: &mut Findings) {
    const CHECK: &str = "migrations";
    if let Some(newest) = list.unknown.last() {
        findings.error(
            CHECK,
            format!("a newer version has migrated the database: this version does not know `{newest}`"),
            "use the newer version",
        );
        return;
    }
    let command = terminal.hints.command("migrate");
    match (list.exists, list.pending.len()) {
        (false, _) => findings.warning(
            CHECK,
            "the database does not exist yet",
            format!("start the server, or run `{command}`"),
        ),
        (true, 0) => findings.good(CHECK, "the database schema is up to date"),
        (true, number) => findings.warning(
            CHECK,
            format!("the database lacks {number} migrations"),
            format!("start the server, or run `{command}`"),
        ),
    }
}

/// Judges the difference between another clock and that of this machine.
pub(super) fn skew(whose: &str, ahead: TimeDelta, findings: &mut Findings) {
    const CHECK: &str = "clock";
    let size = ahead.abs();
    let direction = if ahead < TimeDelta::zero() {
        "behind"
    } else {
        "ahead of"
    };
    let text = format!(
        "the clock of {whose} is {}.{:03} seconds {direction} that of this machine",
        size.num_seconds(),
        size.subsec_nanos().abs() / 1_000_000
    );
    let remedy = "synchronize both clocks, for example with chrony or systemd-timesyncd";
    if size >= HARMFUL_SKEW {
        findings.error(CHECK, text, remedy);
    } else if size >= NOTABLE_SKEW {
        findings.warning(CHECK, text, remedy);
    } else {
        findings.good(CHECK, text);
    }
}

fn log_size(files: &DatabaseFiles, findings: &mut Findings) {
    const CHECK: &str = "write-ahead log";
    let text = format!("it has {}", shown(files.log));
    if files.log < NOTABLE_LOG {
        return findings.good(CHECK, text);
    }
    findings.warning(
        CHECK,
        text,
        "a reader, such as a backup or an open `sqlite3`, has kept it from being emptied: end it; a restart of the \
         server empties the log too",
    );
}

/// Judges the free space. A migration or `VACUUM` needs as much as the database itself.
fn space(files: &DatabaseFiles, free: Option<u64>, findings: &mut Findings) {
    const CHECK: &str = "disk space";
    let Some(free) = free else {
        return;
    };
    let text = format!("{} are free for {}", shown(free), files.path.display());
    if free < LITTLE_SPACE {
        findings.error(CHECK, text, "make room: writes will soon fail");
    } else if free < files.database + files.log {
        findings.warning(
            CHECK,
            text,
            "make room: a backup on the same disk, or some migrations, need as much space as the database has",
        );
    } else {
        findings.good(CHECK, text);
    }
}

#[cfg(unix)]
fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path.parent().unwrap_or(path)).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// A size for a person.
fn shown(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(check: impl FnOnce(&mut Findings)) -> (usize, usize) {
        let mut findings = Findings::default();
        check(&mut findings);
        assert_eq!(findings.items().len(), 1);
        (findings.errors(), findings.warnings())
    }

    #[test]
    fn the_size_of_a_skew_decides_in_both_directions() {
        for (milliseconds, expected) in [
            (0, (0, 0)),
            (-4_999, (0, 0)),
            (5_000, (0, 1)),
            (-59_999, (0, 1)),
            (60_000, (1, 0)),
        ] {
            let ahead = TimeDelta::milliseconds(milliseconds);
            assert_eq!(found(|it| skew("x", ahead, it)), expected, "{milliseconds}");
        }
        let mut findings = Findings::default();
        skew("the database", TimeDelta::milliseconds(-7_250), &mut findings);
        let line = findings.lines(false).next().expect("there is one");
        assert!(
            line.contains("of the database is 7.250 seconds behind that"),
            "{line}"
        );
    }

    #[test]
    fn little_space_is_an_error_and_less_than_the_database_has_a_warning() {
        let files = DatabaseFiles {
            path: "scim.db".into(),
            database: 1 << 30,
            log: 1 << 20,
        };
        for (free, expected) in [
            (LITTLE_SPACE - 1, (1, 0)),
            (1 << 30, (0, 1)),
            ((1 << 30) + (1 << 20), (0, 0)),
        ] {
            assert_eq!(found(|it| space(&files, Some(free), it)), expected, "{free}");
        }
        assert_eq!(found(|it| log_size(&files, it)), (0, 0));
        let log = NOTABLE_LOG;
        assert_eq!(found(|it| log_size(&DatabaseFiles { log, ..files }, it)), (0, 1));
    }
}
