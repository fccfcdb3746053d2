//! The progress of long commands, on the standard error output if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The forms of a bar whose end is known.
const OF_STEPS: &str = "{wide_bar} {human_pos}/{human_len} {msg}, {eta} left";
const OF_BYTES: &str = "{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";

/// A bar that is hidden unless the standard error output is a terminal.
pub struct Progress {
    bar: ProgressBar,
    form: &'static str,
}

impl Progress {
    /// Starts a bar for an unknown number of steps, such as rows.
    pub fn new(unit: &str) -> Progress {
        Progress::with_form(unit, OF_STEPS)
    }

    /// Starts a bar for an unknown number of bytes.
    pub fn in_bytes() -> Progress {
        Progress::with_form("bytes", OF_BYTES)
    }

    fn with_form(unit: &str, form: &'static str) -> Progress {
        let bar = ProgressBar::no_length();
        bar.set_message(unit.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        Progress { bar, form }
    }

    /// Sets the number of steps, once it is known.
    pub fn set_length(&self, steps: u64) {
        if self.bar.length() != Some(steps) {
            let style = ProgressStyle::with_template(self.form);
            self.bar
                .set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar.set_length(steps);
        }
    }

    /// Sets the number of steps that are done.
    pub fn set(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Runs work that writes to the terminal, between two drawings of the bar.
    pub fn suspended<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bar.suspend(work)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A form with a mistake would be replaced by the usual one without a word.
    #[test]
    fn the_forms_are_valid() {
        for form in [OF_STEPS, OF_BYTES] {
            assert!(ProgressStyle::with_template(form).is_ok(), "{form}");
        }
    }
}
