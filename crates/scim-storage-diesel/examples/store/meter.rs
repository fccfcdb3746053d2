//! The cost of an operation: elapsed time and processor time.
//!
//! Elapsed time depends on the other load of the machine, so growth and ratios are computed from processor time. It
//! covers this process and, on PostgreSQL, the processes that serve its connections. Linux counts it in nanoseconds in
//! `/proc/<pid>/task/<tid>/schedstat`.

use std::time::{Duration, Instant};

use crate::raw::Raw;

/// The number of rounds. The round with the least processor time is reported, because other load disturbs the others.
const ROUNDS: usize = 5;
/// The approximate duration of a round.
const ROUND: Duration = Duration::from_millis(120);
/// The maximum number of operations in a round. A round has to be long compared to 4 ms, the resolution of the
/// processor time.
const MOST_IN_A_ROUND: usize = 20_000;
/// The duration of the warm-up of each operation, unless it runs out of items before.
const WARM_UP: Duration = Duration::from_millis(600);

/// The cost of one operation in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Processor time of client and database in the cheapest round.
    pub(crate) cpu: f64,
    /// Median elapsed time of all operations.
    pub(crate) median: f64,
}

/// Measures one operation after the other.
pub(crate) struct Meter {
    /// The connection that lists the processes of the database.
    raw: Raw,
    /// If set, only operations whose name contains this text are measured.
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

    /// Measures `work` on the items that `prepare` creates. `clear` runs after each round. The cost of `prepare` and
    /// `clear` is not counted.
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

    /// Opens another connection to the same database.
    pub(crate) fn bare(&self) -> Raw {
        self.raw
            .another()
            .expect("the database accepted a connection before")
    }
}

fn measure<T>(
    raw: &mut Raw,
    mut prepare: impl FnMut(usize) -> Vec<T>,
    mut work: impl FnMut(&T),
    mut clear: impl FnMut(Vec<T>),
) -> Figure {
    // The warm-up also finds the shortest duration of an operation.
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

/// Returns the processor time of this process in nanoseconds.
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
