//! Replays the requests of real clients against the server: every file below `tests/fixtures/exchanges`.
//!
//! `tests/fixtures/exchanges/README.md` describes the format. `SCIM_TEST_EXCHANGE=okta/create-flow` (or any
//! part of a name) plays only some:
//!
//! ```sh
//! SCIM_TEST_EXCHANGE=okta cargo test -p scim-server --test it exchanges::every -- --nocapture
//! ```

mod client;
mod matchers;
mod runner;
mod stub;
mod substitution;
mod trace;

use std::path::{Path, PathBuf};

use runner::replay;
use scim_server::service::Settings;
use trace::Trace;

use crate::harness::{Choice, HttpServer};

/// Traces that do not pass yet, with the reason. The list may only shrink: a trace that passes must be removed.
const STILL_FAILING: &[(&str, &str)] = &[];

/// The variable that selects traces by a part of their names; without it, all are played.
const CHOICE: &str = "SCIM_TEST_EXCHANGE";

#[test]
fn every_exchange_passes() {
    play(&HttpServer::start());
}

/// A-35: answers are the same whether the server stores passwords or not.
#[test]
fn every_exchange_passes_with_passwords() {
    let settings = Settings {
        hash_secrets: true,
        ..Settings::default()
    };
    play(&HttpServer::start_with(Choice {
        settings,
        ..Choice::default()
    }));
}

#[test]
fn every_exchange_passes_on_postgresql() {
    // The tests of the storage crate report when PostgreSQL is missing.
    if let Some(server) = HttpServer::start_on_postgres(Choice::default()) {
        play(&server);
    }
}

fn play(server: &HttpServer) {
    let choice = std::env::var(CHOICE).unwrap_or_default();
    let traces = traces();
    for (listed, _) in STILL_FAILING {
        let is_there = traces.iter().any(|(name, _)| name == listed);
        assert!(is_there, "STILL_FAILING lists `{listed}`, which is not there");
    }
    let chosen: Vec<_> = traces
        .into_iter()
        .filter(|(name, _)| name.contains(&choice))
        .collect();
    assert!(!chosen.is_empty(), "no trace has `{choice}` in its name");

    let mut wrong = Vec::new();
    for (name, trace) in chosen {
        let failures = replay(&server.base_url, &server.token, &trace);
        let is_listed = STILL_FAILING.iter().any(|(listed, _)| *listed == name);
        if !is_listed {
            let describe = |failure| {
                format!(
                    "tests/fixtures/exchanges/{name}.json ({}): {failure}",
                    trace.title
                )
            };
            wrong.extend(failures.iter().map(describe));
        } else if failures.is_empty() {
            wrong.push(format!("{name} passes: remove it from STILL_FAILING"));
        }
    }
    assert!(wrong.is_empty(), "{} failures\n{}", wrong.len(), wrong.join("\n"));
}

/// Every trace below the folder with its name, for example `okta/create-flow`, ordered by name.
fn traces() -> Vec<(String, Trace)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exchanges");
    let mut files = Vec::new();
    collect(&folder, &mut files);
    files.sort();
    files
        .iter()
        .map(|file| {
            let text = std::fs::read(file).expect("a fixture can be read");
            let trace =
                serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let name = file
                .strip_prefix(&folder)
                .expect("it was found there")
                .with_extension("");
            (name.to_string_lossy().replace('\\', "/"), trace)
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder of the fixtures") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
}

const AREAS: [&str; 9] = [
    "create",
    "filter",
    "page",
    "put",
    "patch-user",
    "patch-group",
    "delete",
    "error",
    "discovery",
];

/// A trace says the same as its folder, and each of its steps does something that can be judged.
#[test]
fn every_trace_is_well_formed() {
    let traces = traces();
    assert!(traces.len() >= 99, "{} traces", traces.len());
    for (name, trace) in traces {
        let folder = name.split('/').next().unwrap_or_default();
        assert_eq!(trace.client, folder, "{name}");
        assert!(
            !trace.title.is_empty() && !trace.source.is_empty() && (1..=3).contains(&trace.difficulty),
            "{name}"
        );
        assert!(AREAS.contains(&trace.area.as_str()), "{name}: {}", trace.area);
        assert!(
            trace.notes.as_ref().is_none_or(|notes| !notes.is_empty()),
            "{name}"
        );
        let made = trace
            .steps
            .iter()
            .filter_map(|step| step.repeat.as_ref()?.count)
            .max();
        assert_eq!(trace.heavy, made > Some(50), "{name}");
        let known = ["trace", "source", "docs", "fixture", "issue"];
        assert!(
            known.contains(&trace.confidence.as_str()),
            "{name}: {}",
            trace.confidence
        );
        assert!(
            ["rfc", "client", "client-over-rfc"].contains(&trace.basis.as_str()),
            "{name}: {}",
            trace.basis
        );
        assert_eq!(
            trace.basis == "client-over-rfc",
            trace.conflicts_with_rfc.is_some(),
            "{name}"
        );
        assert!(
            trace
                .steps
                .iter()
                .any(|step| !step.cleanup && !step.expect.status.is_empty()),
            "{name}"
        );
        for step in &trace.steps {
            assert!(
                step.method.is_some() != step.walk.is_some(),
                "{name}: {}",
                step.name()
            );
            assert!(step.path.starts_with('/'), "{name}: {}", step.name());
        }
    }
}
