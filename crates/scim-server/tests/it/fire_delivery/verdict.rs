//! The comparison of what a reader got with the feed and with the directory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use scim_model::SchemaRegistry;
use serde_json::Value;

use super::log::lines;
use super::replica::{Replica, Resources, key};
use super::writers::Written;
use crate::harness::HttpClient;

/// The identity of a delivery: the id of an event, or the position of the change and the kind of a token, which are the
/// `jti` after that of the stream.
pub fn id(reader: &str, line: &str) -> String {
    let json: Value = serde_json::from_str(line).unwrap();
    match reader {
        "set" => token_id(&json),
        _ => json["id"].as_str().unwrap().to_owned(),
    }
}

fn token_id(claims: &Value) -> String {
    let (_, id) = claims["jti"].as_str().unwrap().split_once('.').unwrap();
    id.to_owned()
}

/// All events, read from the feed after the last change.
pub struct Truth {
    /// The ids with the events.
    events: BTreeMap<String, String>,
    /// In the order of the feed.
    order: Vec<String>,
    /// The ids of the tokens that a stream with `full` and `caep` has.
    tokens: HashSet<String>,
}

impl Truth {
    /// Reads the feed from its beginning.
    pub fn read(api: &HttpClient) -> Truth {
        let mut truth = Truth {
            events: BTreeMap::new(),
            order: Vec::new(),
            tokens: HashSet::new(),
        };
        let mut kinds: HashMap<String, BTreeSet<&str>> = HashMap::new();
        let mut after = String::new();
        loop {
            let (status, page) = api.send("GET", &format!("/events?limit=1000{after}"), None);
            assert_eq!(status, 200, "{page}");
            for event in page["events"].as_array().unwrap() {
                let id = event["id"].as_str().unwrap().to_owned();
                let position = event["data"]["position"].as_str().unwrap().to_owned();
                kinds.entry(position).or_default().extend(token_kinds(event));
                truth.order.push(id.clone());
                truth.events.insert(id, event.to_string());
            }
            after = format!("&after={}", page["next"].as_str().unwrap());
            if page["more"] == false {
                break;
            }
        }
        for (position, mut kinds) in kinds {
            // A change is one of them. Members that join or leave at the same time are a part of it.
            if kinds.contains("create") || kinds.contains("delete") {
                kinds.remove("patch");
            }
            truth
                .tokens
                .extend(kinds.iter().map(|kind| format!("{position}.{kind}")));
        }
        truth
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether a reader has got everything.
    pub fn is_in(&self, reader: &str, ids: &HashSet<String>) -> bool {
        match reader {
            "set" => self.tokens.is_subset(ids),
            _ => self.order.iter().all(|it| ids.contains(it)),
        }
    }

    /// The feed itself: each acknowledged change is in it, versions have no gaps, and it leads to the directory.
    #[track_caller]
    pub fn check(&self, written: &[Written], directory: &Resources) {
        assert_eq!(self.events.len(), self.len(), "no id comes twice");
        let mut versions: HashMap<String, i64> = HashMap::new();
        let mut deleted = HashSet::new();
        let mut replica = Replica::default();
        for id in &self.order {
            let event: Value = serde_json::from_str(&self.events[id]).unwrap();
            let data = &event["data"];
            let text = |name: &str| data[name].as_str().unwrap();
            let key = key(text("tenant"), text("resourceType"), text("resourceId"));
            let version = data["version"].as_i64().unwrap();
            if event["type"].as_str().unwrap().ends_with(".deleted") {
                deleted.insert(key);
            } else {
                let last = versions.entry(key).or_default();
                assert!(
                    version == *last || version == *last + 1,
                    "{version} after {last}: {event}"
                );
                *last = version;
            }
            replica.apply_event(&event);
        }
        let acknowledged = written.iter().flat_map(|it| &it.acknowledged);
        let missing: Vec<_> = acknowledged
            .filter(|(key, version)| match version {
                Some(version) => versions.get(key).is_none_or(|last| last < version),
                None => !deleted.contains(key),
            })
            .collect();
        assert!(
            missing.is_empty(),
            "acknowledged, and not in the feed: {missing:?}"
        );
        assert_eq!((&replica.reordered, &replica.unexpected), (&vec![], &vec![]));
        assert_eq!(difference(&replica.resources, directory), [""; 0]);
    }
}

/// The kinds of tokens about the change that an event belongs to.
fn token_kinds(event: &Value) -> &'static [&'static str] {
    match event["type"].as_str().unwrap() {
        "user.created" | "group.created" => &["create"],
        "user.deleted" => &["delete", "session-revoked"],
        "group.deleted" => &["delete"],
        "user.deactivated" => &["patch", "deactivate", "session-revoked"],
        "user.reactivated" => &["patch", "activate"],
        _ => &["patch"],
    }
}

/// The resources that differ.
fn difference(copy: &Resources, directory: &Resources) -> Vec<String> {
    let keys: BTreeSet<&String> = copy.keys().chain(directory.keys()).collect();
    let different = keys.into_iter().filter(|it| copy.get(*it) != directory.get(*it));
    let shown = different.map(|it| format!("{it}: {:?} instead of {:?}", copy.get(it), directory.get(it)));
    shown.collect()
}

/// The result of a reader.
pub struct Verdict {
    reader: &'static str,
    deliveries: usize,
    duplicates: usize,
    lost: Vec<String>,
    reordered: Vec<String>,
    unexpected: Vec<String>,
    differences: Vec<String>,
}

impl Verdict {
    /// Replays the log of a reader, without repeated deliveries.
    pub fn of(reader: &'static str, log: &Path, truth: &Truth, directory: &Resources) -> Verdict {
        let registry = SchemaRegistry::builtin();
        let mut replica = Replica::default();
        let mut seen = HashSet::new();
        let mut last = None;
        let (mut deliveries, mut duplicates) = (0, 0);
        let (mut reordered, mut unexpected) = (Vec::new(), Vec::new());
        for line in lines(log) {
            let json: Value = serde_json::from_str(&line).unwrap();
            let id = id(reader, &line);
            deliveries += 1;
            if !seen.insert(id.clone()) {
                duplicates += 1;
                continue;
            }
            let is_known = match reader {
                "set" => truth.tokens.contains(&id),
                _ => truth.events.get(&id) == Some(&line),
            };
            if !is_known {
                unexpected.push(line.clone());
            }
            // Webhooks are in order for each resource only.
            let sequence = (reader != "webhook").then(|| sequence(&id));
            if sequence < last {
                reordered.push(line);
            }
            last = sequence.max(last);
            match reader {
                "set" => replica.apply_token(&registry, &json),
                _ => replica.apply_event(&json),
            }
        }
        let expected: Box<dyn Iterator<Item = &String>> = match reader {
            "set" => Box::new(truth.tokens.iter()),
            _ => Box::new(truth.order.iter()),
        };
        reordered.extend(replica.reordered);
        unexpected.extend(replica.unexpected);
        Verdict {
            reader,
            deliveries,
            duplicates,
            lost: expected.filter(|it| !seen.contains(*it)).cloned().collect(),
            reordered,
            unexpected,
            differences: difference(&replica.resources, directory),
        }
    }

    pub fn figures(&self) -> String {
        format!(
            "{:>8}: {} deliveries, {} of them repeated; {} lost, {} reordered, {} unexpected, {} resources that differ",
            self.reader,
            self.deliveries,
            self.duplicates,
            self.lost.len(),
            self.reordered.len(),
            self.unexpected.len(),
            self.differences.len()
        )
    }

    #[track_caller]
    pub fn check(&self) {
        for list in [&self.lost, &self.reordered, &self.unexpected, &self.differences] {
            let first = &list[..list.len().min(5)];
            assert!(list.is_empty(), "{}\n{first:#?}", self.figures());
        }
    }
}

/// The number of the change at the beginning of an id.
fn sequence(id: &str) -> u64 {
    id.split('-').next().unwrap().parse().unwrap()
}
