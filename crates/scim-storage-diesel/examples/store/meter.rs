//! The cost of an operation: elapsed time and processor time.
//!
//! Elapsed time depends on the other load of the machine, so growth and ratios are computed from processor time. It
//! covers this process and, on PostgreSQL, the processes that serve its connections. Linux counts it in nanoseconds in
//! `/proc/<pid>/task/<tid>/schedstat`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use scim_model::store::ResourceStore;

use crate::bench::Bench;
use crate::operations::{Call, Operation};
use crate::requests::list;

/// The number of rounds. The cheapest one is reported, because other load disturbs the others.
const ROUNDS: usize = 5;
/// The approximate duration of a round. It has to be long compared to 4 ms, the resolution of the processor time.
const ROUND: Duration = Duration::from_millis(120);
const WARM_UP: Duration = Duration::from_millis(600);

/// The cost of one call in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Processor time of client and database in the cheapest round. Where other threads scan, it includes their work, and
    /// the median elapsed time is here instead.
    pub(crate) cpu: f64,
    /// Median elapsed time.
    pub(crate) median: f64,
}

/// Measures an operation, together with one that reverts it if there is one.
pub(crate) fn measure(bench: &Bench, operations: &mut [Operation]) -> Vec<Figure> {
    let is_over = AtomicBool::new(false);
    let scan = list(&bench.company.user, "title co \"x\"");
    let (store, tenant) = (&bench.store, bench.tenant);
    std::thread::scope(|scope| {
        for _ in 0..operations[0].scanners.unwrap_or(0) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // The store rejects most of the scans, as it should.
                    let _ = store.list(tenant, &scan);
                }
            });
        }
        let figures = measure_rounds(bench, operations);
        is_over.store(true, Ordering::Relaxed);
        figures
    })
}

fn measure_rounds(bench: &Bench, operations: &mut [Operation]) -> Vec<Figure> {
    let most = operations.iter().map(|it| it.most).min().unwrap_or(0);
    let start = Instant::now();
    let mut number = 2;
    let mut shortest = round(bench, operations, number);
    while start.elapsed() < WARM_UP && number < most {
        number = most.min(number * 2);
        shortest = round(bench, operations, number);
    }
    let fastest = shortest.iter().map(|it| it.elapsed[0]).fold(f64::MAX, f64::min);
    let per_round = ROUND.as_secs_f64() * 1e6 / fastest;
    let (rounds, number) = if per_round < 0.25 {
        (2, 1)
    } else {
        (ROUNDS, (per_round as u64).clamp(2, most))
    };
    let rounds: Vec<Vec<Round>> = (0..rounds).map(|_| round(bench, operations, number)).collect();
    let figures = operations.iter().enumerate().map(|(at, operation)| {
        let mut elapsed: Vec<f64> = rounds.iter().flat_map(|it| it[at].elapsed.clone()).collect();
        elapsed.sort_by(f64::total_cmp);
        let median = elapsed[elapsed.len() / 2];
        let cheapest = rounds.iter().map(|it| it[at].cpu).fold(f64::MAX, f64::min);
        let cpu = if operation.scanners.is_some() {
            median
        } else {
            cheapest
        };
        Figure { cpu, median }
    });
    figures.collect()
}

/// The measurements of an operation in a round, per call and in microseconds.
struct Round {
    cpu: f64,
    /// In ascending order.
    elapsed: Vec<f64>,
}

fn round(bench: &Bench, operations: &mut [Operation], number: u64) -> Vec<Round> {
    let rounds = operations.iter_mut().map(|operation| {
        let mut calls: Vec<Call> = (0..number).map(&mut operation.prepare).collect();
        let mut processes = bench.bare.borrow_mut().server_processes();
        processes.push(std::process::id());
        let before = processor_time(&processes);
        let mut elapsed = Vec::with_capacity(calls.len());
        for call in &mut calls {
            let start = Instant::now();
            call();
            elapsed.push(start.elapsed().as_secs_f64() * 1e6);
        }
        let cpu = (processor_time(&processes) - before) / 1e3 / number as f64;
        elapsed.sort_by(f64::total_cmp);
        Round { cpu, elapsed }
    });
    rounds.collect()
}

/// Returns the processor time of processes in nanoseconds.
fn processor_time(processes: &[u32]) -> f64 {
    let threads = processes
        .iter()
        .filter_map(|it| std::fs::read_dir(format!("/proc/{it}/task")).ok());
    let spent = threads.flatten().flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    spent.sum()
}
