//! `cargo xtask bench fairness`: the latency of a tenant, alone and while another tenant floods the server.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Request, Server, path_of};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The seconds of each of the two measurements
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// The connections of the tenant that floods
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// The rate limit of the tenant that floods, in requests a second; 0 turns it off
    #[arg(long, default_value_t = 200)]
    rate_limit: u32,
    /// The greatest permitted growth of the 99th percentile, as a factor
    #[arg(long, default_value_t = 3.0)]
    most: f64,
    /// The server binary [default: a release build of this source]
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// The number of users of the measured tenant.
const USERS: usize = 1_000;

/// The pause between two requests of the measured tenant.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs the bench and prints its table.
///
/// # Errors
/// Fails when a server cannot be started or a request of the measured tenant fails, and when the 99th percentile grows too
/// much.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => super::release_build()?,
    };
    let (idle, flooded, answers) = measure(&binary, options).map_err(|error| error.to_string())?;
    let row = |name: &str, it: &[f64]| {
        println!(
            "| {name} | {} | {:.2} | {:.2} |",
            it.len(),
            percentile(it, 50.0),
            percentile(it, 99.0)
        );
    };
    println!("| tenant | requests | p50 ms | p99 ms |\n| --- | ---: | ---: | ---: |");
    row("alone", &idle);
    row("during the flood", &flooded);
    let growth = percentile(&flooded, 99.0) / percentile(&idle, 99.0);
    let seconds = options.seconds as f64;
    println!(
        "p99 grew by a factor of {growth:.2}; flood: {:.0} requests a second, {:.0} of them successful",
        answers[0] as f64 / seconds,
        answers[1] as f64 / seconds
    );
    match growth <= options.most {
        true => Ok(()),
        false => Err(format!(
            "p99 grew by a factor of {growth:.2}, and at most {} is permitted",
            options.most
        )),
    }
}

/// Returns the sorted latencies in milliseconds without and with the flood, and the number of requests of the flood:
/// all, and those that succeeded.
fn measure(binary: &Path, options: &Options) -> io::Result<(Vec<f64>, Vec<f64>, [u64; 2])> {
    let server = Server::start(binary, USERS, 0)?;
    let other = flood_token(binary, &server, options.rate_limit)?;
    let time = Duration::from_secs(options.seconds);
    // The first requests fill the caches.
    latencies(&server, Duration::from_secs(1))?;
    let idle = latencies(&server, time)?;
    let (stop, sent) = (AtomicBool::new(false), [AtomicU64::new(0), AtomicU64::new(0)]);
    let flooded = thread::scope(|scope| {
        for _ in 0..options.connections {
            scope.spawn(|| flood(&server, &other, &stop, &sent));
        }
        let flooded = latencies(&server, time);
        stop.store(true, Ordering::Relaxed);
        flooded
    })?;
    Ok((idle, flooded, sent.map(AtomicU64::into_inner)))
}

/// Creates the tenant that floods, with its rate limit, and returns its token.
fn flood_token(binary: &Path, server: &Server, rate_limit: u32) -> io::Result<String> {
    let run = |arguments: &[&str]| -> io::Result<Vec<u8>> {
        let output = Command::new(binary)
            .args(arguments)
            .args(["--database-url", &server.database])
            .output()?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(io::Error::other(
                String::from_utf8_lossy(&output.stderr).into_owned(),
            )),
        }
    };
    run(&["tenant", "create", "flood"])?;
    let setting = format!("rate-limit={rate_limit}");
    run(&["connection", "set", "default", "--tenant", "flood", &setting])?;
    let created = run(&["token", "create", "--tenant", "flood", "--json"])?;
    let created: Value = serde_json::from_slice(&created)?;
    Ok(created["token"].as_str().unwrap_or_default().to_owned())
}

/// Sends requests one after the other, with pauses, and returns their times in milliseconds, sorted.
fn latencies(server: &Server, time: Duration) -> io::Result<Vec<f64>> {
    let mut connection = server.connect()?;
    let end = Instant::now() + time;
    let mut times = Vec::new();
    while Instant::now() < end {
        let request = Request::get(path_of(&server.users, times.len() * 7_919));
        let began = Instant::now();
        connection.send(&request)?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        thread::sleep(PAUSE);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Sends requests as fast as the server answers, until it is stopped.
fn flood(server: &Server, token: &str, stop: &AtomicBool, sent: &[AtomicU64; 2]) {
    let request = Request::get("/scim/v2/Users?count=100".to_owned());
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut connection) = super::Connection::open(&server.address, token) else {
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            let Ok(is_success) = connection.is_success(&request) else {
                break;
            };
            sent[0].fetch_add(1, Ordering::Relaxed);
            sent[1].fetch_add(u64::from(is_success), Ordering::Relaxed);
        }
    }
}

/// Returns a percentile of sorted times.
fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let index = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(
            (percentile(&times, 50.0), percentile(&times, 99.0)),
            (100.0, 198.0)
        );
        assert_eq!(percentile(&[7.0], 99.0), 7.0);
        assert!(percentile(&[], 99.0).is_nan());
    }
}
