//! The progress of long commands, on the standard error output if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that is hidden unless the standard error output is a terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// Starts a bar for an unknown number of steps, such as rows.
    pub fn new(unit: &str) -> Progress {
        let bar = ProgressBar::no_length();
        bar.set_message(unit.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        Progress(bar)
    }

    /// Sets the number of steps, once it is known.
    pub fn set_length(&self, steps: u64) {
        if self.0.length() != Some(steps) {
            let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}, {eta} left");
            self.0
                .set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.0.set_length(steps);
        }
    }

    /// Sets the number of steps that are done.
    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Runs work that writes to the terminal, between two drawings of the bar.
    pub fn suspended<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.suspend(work)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
