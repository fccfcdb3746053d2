//! The names of the metrics, and the dashboards and alert rules that use them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex_lite::Regex;
use serde_json::Value;

use crate::harness::{Server, USER, patch_op};
use crate::metrics::scrape;

/// The metrics of a server that has served something of each kind.
fn metrics() -> String {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    acme.get("/Users?filter=title%20co%20%22x%22").expect(200);
    acme.post("/Users", serde_json::json!({ "schemas": [], "userName": "a" }))
        .expect(201);
    let text = serde_json::json!([{ "op": "replace", "path": "active", "value": "False" }]);
    acme.patch(&user.path, text).expect(200);
    acme.put(
        &user.path,
        serde_json::json!({ "schemas": [USER], "userName": "b" }),
    )
    .expect(200);
    acme.patch(&user.path, patch_op(serde_json::json!([]))["Operations"].clone())
        .expect(200);
    scrape(&server)
}

/// The families by name, with their type, and the labels of their samples.
struct Families {
    types: BTreeMap<String, String>,
    help: BTreeMap<String, String>,
    labels: BTreeMap<String, BTreeSet<String>>,
}

impl Families {
    fn of(text: &str) -> Families {
        let described = |kind: &str| -> BTreeMap<String, String> {
            let lines = text
                .lines()
                .filter_map(|it| it.strip_prefix(kind)?.split_once(' '));
            lines
                .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
                .collect()
        };
        let mut labels = BTreeMap::<String, BTreeSet<String>>::new();
        let label = Regex::new("([a-zA-Z_][a-zA-Z0-9_]*)=\"").unwrap();
        for line in text.lines().filter(|it| !it.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let names = label.captures_iter(line).map(|it| it[1].to_owned());
            labels.entry(name.to_owned()).or_default().extend(names);
        }
        Families {
            types: described("# TYPE "),
            help: described("# HELP "),
            labels,
        }
    }
}

/// The conventions of Prometheus for names, units and types, as `promtool check metrics` knows them.
#[test]
fn metrics_follow_the_conventions_of_prometheus() {
    let text = metrics();
    let families = Families::of(&text);
    assert!(families.types.len() > 20, "{text}");
    let name_form = Regex::new("^scim(_[a-z0-9]+)+$").unwrap();
    for (name, kind) in &families.types {
        assert!(name_form.is_match(name), "{name}");
        assert!(families.help[name].len() > 10, "{name}");
        assert!(
            ["counter", "gauge", "histogram"].contains(&kind.as_str()),
            "{name}: {kind}"
        );
        let words: Vec<&str> = name.split('_').collect();
        for word in [
            "counter",
            "gauge",
            "histogram",
            "summary",
            "ms",
            "millis",
            "milliseconds",
            "micros",
            "minutes",
            "hours",
            "days",
            "kb",
            "mb",
            "kilobytes",
            "megabytes",
            "percent",
        ] {
            assert!(!words.contains(&word), "{name} has `{word}`");
        }
        for suffix in ["total", "count", "sum", "bucket"] {
            assert_ne!(words.last(), Some(&suffix), "{name}");
        }
        if kind == "histogram" {
            assert_eq!(words.last(), Some(&"seconds"), "{name}");
        }
        let about_time = ["duration", "wait", "lag"].iter().any(|it| words.contains(it));
        let has_unit = ["seconds", "bytes", "changes"].contains(words.last().unwrap());
        assert!(!about_time || has_unit, "{name} has no unit");
    }
    let label_form = Regex::new("^[a-z][a-z_]*$").unwrap();
    for (name, labels) in &families.labels {
        for label in labels {
            assert!(label_form.is_match(label), "{label} of {name}");
        }
        let is_counter = families.types.get(name.trim_end_matches("_total"));
        assert!(
            is_counter.is_none_or(|it| it != "counter") || name.ends_with("_total"),
            "{name}"
        );
    }
    check_with_promtool(&["check", "metrics"], Some(&plain(&text)));
}

/// Each query of the dashboards and of the alert rules names metrics and labels that exist.
#[test]
fn dashboards_and_alerts_use_metrics_that_exist() {
    let families = Families::of(&metrics());
    let mut queries = Vec::new();
    for name in ["traffic.json", "operation.json"] {
        let text = std::fs::read_to_string(deploy().join("grafana").join(name)).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        let before = queries.len();
        collect(&dashboard, &mut queries);
        let panels = dashboard["panels"].as_array().unwrap();
        assert!(
            queries.len() - before >= panels.len(),
            "each panel of {name} has a query"
        );
        let ids: BTreeSet<i64> = panels.iter().map(|it| it["id"].as_i64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{name}");
    }
    let alerts = std::fs::read_to_string(deploy().join("prometheus/alerts.yml")).unwrap();
    let of_alerts = alerts
        .lines()
        .filter_map(|it| it.trim_start().strip_prefix("expr: "));
    let of_alerts: Vec<String> = of_alerts.map(str::to_owned).collect();
    assert_eq!(of_alerts.len(), alerts.matches("- alert: ").count());
    assert!(of_alerts.len() >= 10);
    queries.extend(of_alerts);
    let mut used = BTreeSet::new();
    for query in &queries {
        used.extend(check_query(query, &families));
    }
    // The rest is for people who look for a cause.
    for needed in [
        "scim_requests_total",
        "scim_retries_total",
        "scim_delivery_lag_seconds",
        "scim_build_info",
    ] {
        assert!(used.contains(needed), "{needed}");
    }
    check_with_promtool(
        &[
            "check",
            "rules",
            deploy().join("prometheus/alerts.yml").to_str().unwrap(),
        ],
        None,
    );
}

/// Checks the metrics, the labels of their selectors and those of aggregations, and returns the names of the metrics.
fn check_query(query: &str, families: &Families) -> BTreeSet<String> {
    let selector = Regex::new(r"(scim_[a-z_]+)(?:\{([^}]*)\})?").unwrap();
    let matcher = Regex::new("([a-z_]+) *(?:=~|!~|!=|=)").unwrap();
    let grouping = Regex::new(r"by \(([^)]*)\)").unwrap();
    // Prometheus adds these to each sample.
    let mut known: BTreeSet<String> = ["job", "instance"].map(str::to_owned).into();
    let mut names = BTreeSet::new();
    for found in selector.captures_iter(query) {
        let name = &found[1];
        let labels = families.labels.get(name);
        let labels = labels.unwrap_or_else(|| panic!("no metric is called {name}: {query}"));
        known.extend(labels.iter().cloned());
        let matchers = found.get(2).map_or("", |it| it.as_str());
        for label in matcher.captures_iter(matchers) {
            let label = &label[1];
            assert!(
                labels.contains(label) || ["job", "instance"].contains(&label),
                "{label}: {query}"
            );
        }
        names.insert(name.to_owned());
    }
    assert!(!names.is_empty(), "{query}");
    for labels in grouping.captures_iter(query) {
        for label in labels[1].split(',').map(str::trim) {
            assert!(known.contains(label), "{label}: {query}");
        }
    }
    for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
        assert_eq!(
            query.matches(open).count(),
            query.matches(close).count(),
            "{query}"
        );
    }
    names
}

/// The queries of a dashboard.
fn collect(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(text) if name == "expr" || name == "definition" => queries.push(text.to_owned()),
                    _ => collect(value, queries),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|it| collect(it, queries)),
        _ => {}
    }
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy")
}

/// The older text format, which promtool reads.
fn plain(text: &str) -> String {
    let families = Families::of(text);
    let lines = text
        .lines()
        .filter(|it| *it != "# EOF" && !it.starts_with("# UNIT "));
    let renamed = lines.map(|line| {
        let mut words: Vec<&str> = line.splitn(4, ' ').collect();
        let total;
        if line.starts_with('#') && families.types.get(words[2]).is_some_and(|it| it == "counter") {
            total = format!("{}_total", words[2]);
            words[2] = &total;
        }
        words.join(" ")
    });
    renamed.map(|it| it + "\n").collect()
}

/// Lets `promtool` of Prometheus check the same, if it is installed.
fn check_with_promtool(arguments: &[&str], input: Option<&str>) {
    use std::io::Write as _;

    let command = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    // The test has checked the most important rules by itself.
    let Ok(mut child) = command else { return };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.unwrap_or_default().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
