//! The exit codes of the binary: scripts tell failures apart by them.

use std::process::ExitCode;

/// The way in which a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command did all that it was asked for.
    Done = 0,
    /// Reading, printing or the operating system failed, `health` found a server that is not ready, or `doctor` found errors.
    Failed = 1,
    /// A flag, an environment variable, the configuration file or a file that they name is invalid. clap uses this code too.
    Usage = 2,
    /// The command cannot be carried out, and a repetition would fail in the same way.
    Refused = 3,
    /// The database cannot be reached, opened or used.
    DatabaseUnavailable = 4,
    /// Another process holds a lock for longer than the command waits.
    DatabaseBusy = 5,
    /// The journal cannot be read after the position without missing changes.
    PositionLost = 6,
    /// No tenant has the name, or the tenant has been deleted.
    NoTenant = 7,
    /// The server cannot listen on an address.
    CannotListen = 8,
    /// `federation check`: the token endpoint would refuse the assertion.
    AssertionRefused = 9,
}

impl Exit {
    /// The table for `--help`, which OPERATIONS.md repeats.
    pub const HELP: &str = "\
Exit codes:
  0  done
  1  reading, printing or the operating system failed; health: the server is not ready; doctor: there are errors
  2  a flag, an environment variable, the configuration file or a file that they name is invalid
  3  refused: the command cannot be carried out
  4  the database cannot be reached, opened or used
  5  the database is busy: another process holds a lock on it; try again
  6  journal, events: the position is lost, and changes may have been missed
  7  there is no such tenant, or it has been deleted
  8  the server cannot listen on an address
  9  federation check: the assertion would be refused";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_exit_code() {
        let codes: Vec<&str> = Exit::HELP
            .lines()
            .skip(1)
            .filter_map(|it| it.split_whitespace().next())
            .collect();
        assert_eq!(codes, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert_eq!(Exit::AssertionRefused as u8, 9);
        let guide = include_str!("../../../../docs/OPERATIONS.md");
        for code in codes {
            assert!(guide.contains(&format!("\n| {code} | ")), "{code}");
        }
    }
}
