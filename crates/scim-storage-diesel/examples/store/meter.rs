//! What an operation costs: time on the clock, and time that processors spent on it.
//!
//! The clock shows what else the machine does, so growth and ratios are told by the processors' time. It
//! is this process's and, on PostgreSQL, that of the processes which serve its connections, as Linux
//! counts them in `/proc/<pid>/task/<tid>/schedstat` in nanoseconds.

use std::time::{Duration, Instant};

use crate::raw::Raw;

/// Of the rounds, the one that cost the processors least is reported: the others met something.
const ROUNDS: usize = 5;
/// A round is about so long.
const ROUND: Duration = Duration::from_millis(120);
/// The processors' time is counted to the next tick of the clock, 4 ms: a round has to be long beside that.
const MOST_IN_A_ROUND: usize = 20_000;
/// Before it counts, each operation is tried for so long, or on every item.
const WARM_UP: Duration = Duration::from_millis(600);

/// What one operation costs, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Processor time of both sides in the cheapest round.
    pub(crate) cpu: f64,
    /// Median of all single operations, on the clock.
    pub(crate) median: f64,
}

/// Measures one operation after the other.
pub(crate) struct Meter {
    /// Tells the database's processes.
    raw: Raw,
    /// Only what has this in its name is measured.
    only: Option<String>,
    pub(crate) figures: Vec<(&'static str, Figure)>,
}

impl Meter {
    pub(crate) fn new(raw: Raw, only: Option<String>) -> Meter {
        Meter {
            raw,
            only,
            figures: Vec::new(),
        }
    }

    /// Measures `work` on what `prepare` makes so many of; `clear` runs after each round. Neither is
    /// counted.
    pub(crate) fn measure<T>(
        &mut self,
        name: &'static str,
        prepare: impl FnMut(usize) -> Vec<T>,
        work: impl FnMut(&T),
        clear: impl FnMut(Vec<T>),
    ) {
        if self.only.as_ref().is_some_and(|it| !name.contains(it)) {
            return;
        }
        let figure = measure(&mut self.raw, prepare, work, clear);
        eprintln!(
            "  {name}: {:.1} us of processor time, {:.1} us",
            figure.cpu, figure.median
        );
        self.figures.push((name, figure));
    }

    /// A connection of one's own to the same database.
    pub(crate) fn bare(&self) -> Raw {
        self.raw.another().expect("it was open just now")
    }
}

fn measure<T>(
    raw: &mut Raw,
    mut prepare: impl FnMut(usize) -> Vec<T>,
    mut work: impl FnMut(&T),
    mut clear: impl FnMut(Vec<T>),
) -> Figure {
    // Warm up, and learn how long it takes at best.
    let (mut single, mut batch) = (Duration::MAX, 2);
    let start = Instant::now();
    while start.elapsed() < WARM_UP && batch <= MOST_IN_A_ROUND {
        let items = prepare(batch);
        for item in &items {
            let start = Instant::now();
            work(item);
            single = single.min(start.elapsed());
        }
        clear(items);
        batch *= 2;
    }
    let (rounds, number) = if single > 4 * ROUND {
        (2, 1)
    } else {
        let number = ROUND.as_secs_f64() / single.as_secs_f64().max(1e-9);
        (ROUNDS, (number as usize).clamp(2, MOST_IN_A_ROUND))
    };
    let mut walls = Vec::new();
    let mut cpu = f64::MAX;
    for _ in 0..rounds {
        let items = prepare(number);
        let processes = raw.server_processes();
        let before = own_cpu() + cpu_of(&processes);
        for item in &items {
            let start = Instant::now();
            work(item);
            walls.push(start.elapsed().as_secs_f64() * 1e6);
        }
        let spent = own_cpu() + cpu_of(&processes) - before;
        cpu = cpu.min(spent as f64 / 1e3 / items.len() as f64);
        clear(items);
    }
    walls.sort_by(f64::total_cmp);
    Figure {
        cpu,
        median: walls[walls.len() / 2],
    }
}

/// Nanoseconds that processors have spent on this process.
fn own_cpu() -> i64 {
    cpu_of(&[std::process::id()])
}

fn cpu_of(processes: &[u32]) -> i64 {
    let threads = processes
        .iter()
        .filter_map(|it| std::fs::read_dir(format!("/proc/{it}/task")).ok());
    let spent = threads.flatten().flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<i64>().ok()
    });
    spent.sum()
}
