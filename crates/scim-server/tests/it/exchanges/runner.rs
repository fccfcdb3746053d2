//! Plays a trace against a server and collects what did not hold.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;
use uuid::Uuid;

use super::client::{Answer, Client, Request};
use super::matchers::{at, check, equal, is_integer, short};
use super::substitution::{
    Unresolved, Variables, as_text, lookup, substitute, substitute_map, substitute_text,
};
use super::trace::{Advance, BodyKind, Expect, Repeat, Step, Stop, Trace, Walk};

/// A step whose answer did not hold what it had to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Counted from 1.
    pub(crate) step: usize,
    pub(crate) name: String,
    pub(crate) problems: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "step {} ({}): {}",
            self.step,
            self.name,
            self.problems.join("; ")
        )
    }
}

/// Plays a trace; nothing in the result when all of it held.
///
/// Names are unique for each call and what was created is deleted again, so that a server may be used
/// many times.
pub(crate) fn replay(base_url: &str, token: &str, trace: &Trace) -> Vec<Failure> {
    let variables = match variables(base_url, trace) {
        Ok(variables) => variables,
        Err(Unresolved(name)) => {
            let problems = vec![format!("`vars` has no value for {{{{{name}}}}}")];
            return vec![Failure {
                step: 0,
                name: "vars".to_owned(),
                problems,
            }];
        }
    };
    let mut run = Run {
        client: Client::new(base_url, token),
        variables,
    };
    let mut failures = Vec::new();
    let mut aborted = false;
    for (index, step) in trace.steps.iter().enumerate() {
        if aborted && !step.cleanup {
            continue;
        }
        let problems = match run.step(step) {
            Ok(problems) => problems,
            // A variable without a value because of an earlier failure is not reported again.
            Err(_) if !failures.is_empty() => continue,
            Err(Unresolved(name)) => vec![format!("no value for {{{{{name}}}}}")],
        };
        if !problems.is_empty() && !step.cleanup {
            failures.push(Failure {
                step: index + 1,
                name: step.name(),
                problems,
            });
            aborted |= step.setup;
        }
    }
    failures
}

fn variables(base_url: &str, trace: &Trace) -> Result<Variables, Unresolved> {
    let mut variables = Variables::new();
    // The end of a version 7 UUID is its random part.
    let random = Uuid::now_v7().simple().to_string();
    variables.insert("run".to_owned(), random[20..].into());
    variables.insert("guid".to_owned(), Uuid::now_v7().to_string().into());
    variables.insert("guid2".to_owned(), Uuid::now_v7().to_string().into());
    variables.insert("base".to_owned(), base_url.trim_end_matches('/').into());
    let further = substitute_map(&trace.vars, &variables)?;
    variables.extend(further);
    Ok(variables)
}

struct Run {
    client: Client,
    variables: Variables,
}

/// A failed expectation, or a variable without a value.
type Outcome = Result<Vec<String>, Unresolved>;

impl Run {
    fn step(&mut self, step: &Step) -> Outcome {
        match (&step.walk, &step.repeat) {
            (Some(walk), _) => self.walk(step, walk),
            (None, Some(repeat)) => self.repeat(step, repeat),
            (None, None) => self.request(step),
        }
    }

    fn repeat(&mut self, step: &Step, repeat: &Repeat) -> Outcome {
        let items = match &repeat.over {
            Some(name) => lookup(name, &self.variables)?
                .as_array()
                .cloned()
                .ok_or(Unresolved(name.clone()))?,
            None => (0..repeat.count.unwrap_or_default()).map(Value::from).collect(),
        };
        for item in items {
            let item = as_text(&item);
            self.variables
                .insert(repeat.variable.clone(), item.clone().into());
            let problems = self.request(step)?;
            if !problems.is_empty() {
                let which = |problem| format!("({}={item}) {problem}", repeat.variable);
                return Ok(problems.into_iter().map(which).collect());
            }
        }
        Ok(Vec::new())
    }

    fn request(&mut self, step: &Step) -> Outcome {
        let path = substitute_text(&step.path, &self.variables)?;
        let headers = substitute_map(&step.headers, &self.variables)?;
        let body = match (&step.body_raw, &step.body) {
            (Some(text), _) => Some(substitute_text(text, &self.variables)?.into_bytes()),
            (None, Some(body)) => Some(substitute(body, &self.variables)?.to_string().into_bytes()),
            (None, None) => None,
        };
        let method = step.method.as_deref().unwrap_or("GET");
        let request = Request {
            method,
            path: &path,
            headers: &headers,
            body: body.as_deref(),
        };
        let answer = match self.client.send(&request, step.expect.status.contains(&429)) {
            Ok(answer) => answer,
            Err(error) => return Ok(vec![format!("no answer: {error}")]),
        };
        let problems = self.check(&step.expect, &answer);
        // Also after a failure: what was made has to be deleted.
        let missing = self.save(step, &answer);
        let problems = problems?;
        Ok(if problems.is_empty() { missing } else { problems })
    }

    fn check(&self, expect: &Expect, answer: &Answer) -> Outcome {
        let body = || short(Some(&String::from_utf8_lossy(&answer.body).into()));
        if !expect.status.is_empty() && !expect.status.contains(&answer.status) {
            return Ok(vec![format!(
                "status {}, want one of {:?}; body {}",
                answer.status,
                expect.status,
                body()
            )]);
        }
        let document = answer.json();
        let is_object = document.as_ref().is_some_and(Value::is_object);
        let mut problems = Vec::new();
        match expect.body {
            Some(BodyKind::Empty) if answer.has_body() => {
                problems.push(format!("want no body, got {}", body()));
            }
            Some(BodyKind::Json) if !is_object => {
                problems.push(format!("want a JSON object, got {}", body()));
            }
            Some(BodyKind::JsonUnless204) if answer.status != 204 && !is_object => {
                problems.push(format!(
                    "status {} needs the resource, got {}",
                    answer.status,
                    body()
                ));
            }
            _ => {}
        }
        let mut rules = substitute_map(&expect.json, &self.variables)?;
        if answer.has_body() {
            rules.extend(substitute_map(&expect.json_if_body, &self.variables)?);
        }
        match &document {
            Some(document) => problems.extend(rules.iter().filter_map(|(pointer, matcher)| {
                check(at(document, pointer), matcher)
                    .err()
                    .map(|reason| format!("{pointer}: {reason}"))
            })),
            None if !rules.is_empty() => problems.push(format!("want JSON, got {}", body())),
            None => {}
        }
        for (name, matcher) in &substitute_map(&expect.headers, &self.variables)? {
            if let Err(reason) = check(answer.header(name), matcher) {
                problems.push(format!("header {name}: {reason}"));
            }
        }
        Ok(problems)
    }

    /// Saves what the step asks for, and returns what was not there.
    fn save(&mut self, step: &Step, answer: &Answer) -> Vec<String> {
        let document = answer.json();
        let find = |place: &Value| -> Option<Value> {
            let place = place.as_str()?;
            let value = match place.strip_prefix("header:") {
                Some(name) => answer.header(name),
                None => at(document.as_ref()?, place),
            };
            value.filter(|value| !value.is_null()).cloned()
        };
        let mut missing = Vec::new();
        for (variable, place) in &step.save {
            match find(place) {
                Some(value) => self.remember(variable, value),
                None => missing.push(format!("nothing to save at {place}")),
            }
        }
        for (variable, place) in &step.save_if {
            if let Some(value) = find(place) {
                self.remember(variable, value);
            }
        }
        missing
    }

    fn remember(&mut self, variable: &str, value: Value) {
        let Some(list) = variable.strip_suffix("[]") else {
            self.variables.insert(variable.to_owned(), value);
            return;
        };
        let list = self
            .variables
            .entry(list)
            .or_insert_with(|| Value::Array(Vec::new()));
        list.as_array_mut()
            .expect("a variable that is saved with [] is a list")
            .push(value);
    }

    fn walk(&mut self, step: &Step, walk: &Walk) -> Outcome {
        let mut start = 1;
        let mut seen: HashSet<String> = HashSet::new();
        for request_number in 1..=walk.max_requests {
            self.variables.insert("start".to_owned(), start.into());
            let path = substitute_text(&step.path, &self.variables)?;
            let headers = substitute_map(&step.headers, &self.variables)?;
            let request = Request {
                method: "GET",
                path: &path,
                headers: &headers,
                body: None,
            };
            let answer = match self.client.send(&request, false) {
                Ok(answer) => answer,
                Err(error) => return Ok(vec![format!("no answer: {error}")]),
            };
            let here = format!("page {request_number} (startIndex={start})");
            let problems = self.check(&step.expect, &answer)?;
            if !problems.is_empty() {
                return Ok(problems
                    .into_iter()
                    .map(|problem| format!("{here}: {problem}"))
                    .collect());
            }
            let page = match Page::read(&answer, walk, &mut seen) {
                Ok(page) => page,
                Err(problem) => return Ok(vec![format!("{here}: {problem}")]),
            };
            if page.is_last(start, walk) {
                return self.lost(walk, &seen, request_number);
            }
            start += page.advance;
        }
        Ok(vec![format!(
            "the walk did not end after {} requests",
            walk.max_requests
        )])
    }

    fn lost(&self, walk: &Walk, seen: &HashSet<String>, requests: usize) -> Outcome {
        let Some(name) = &walk.must_contain else {
            return Ok(Vec::new());
        };
        let wanted = lookup(name, &self.variables)?;
        let wanted = wanted.as_array().map(Vec::as_slice).unwrap_or_default();
        let lost: Vec<&Value> = wanted.iter().filter(|id| !seen.contains(&as_text(id))).collect();
        Ok(match lost.first() {
            None => Vec::new(),
            Some(first) => vec![format!(
                "the walk saw {} resources in {requests} requests but missed {} of {} (first {first})",
                seen.len(),
                lost.len(),
                wanted.len()
            )],
        })
    }
}

/// The part of a page that a client uses.
struct Page {
    total: i64,
    length: i64,
    /// The step to the next page.
    advance: i64,
}

impl Page {
    fn read(answer: &Answer, walk: &Walk, seen: &mut HashSet<String>) -> Result<Page, String> {
        let document = answer.json().unwrap_or_default();
        let integer = |name: &str| {
            let value = document.get(name);
            let number = value.filter(|value| is_integer(value)).and_then(Value::as_i64);
            number.ok_or_else(|| format!("{name} is {}", short(value)))
        };
        let total = integer("totalResults")?;
        let resources = document["Resources"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let length = resources.len() as i64;
        if walk.items_per_page_is_length {
            let stated = document.get("itemsPerPage");
            if !stated.is_some_and(|stated| equal(stated, &length.into())) {
                return Err(format!(
                    "itemsPerPage is {}, the page holds {length}",
                    short(stated)
                ));
            }
        }
        for resource in resources {
            let id = as_text(&resource["id"]);
            if !seen.insert(id.clone()) {
                return Err(format!("{id} was already on an earlier page"));
            }
        }
        let advance = match walk.advance {
            Advance::Count => walk.count as i64,
            Advance::ItemsPerPage => integer("itemsPerPage")?,
            Advance::Received => length,
        };
        Ok(Page {
            total,
            length,
            advance,
        })
    }

    fn is_last(&self, start: i64, walk: &Walk) -> bool {
        match walk.stop {
            Stop::Total => start - 1 + self.advance >= self.total || self.advance <= 0,
            Stop::ShortPage => self.length < walk.count as i64,
            Stop::Empty => self.length == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::super::stub::Stub;
    use super::*;

    /// Plays the steps against a stub that gives these answers in order, and returns the failures and the
    /// requests that the stub got.
    fn play(steps: &Value, answers: &[(u16, &str, &str)]) -> (Vec<String>, Vec<String>) {
        play_with(&json!({}), steps, answers)
    }

    fn play_with(vars: &Value, steps: &Value, answers: &[(u16, &str, &str)]) -> (Vec<String>, Vec<String>) {
        let stub = Stub::start(answers);
        let failures = replay(&stub.base_url, "t", &trace(vars, steps));
        (
            failures.iter().map(ToString::to_string).collect(),
            stub.requests(),
        )
    }

    fn trace(vars: &Value, steps: &Value) -> Trace {
        serde_json::from_value(json!({
            "client": "test", "title": "a test", "source": "none", "confidence": "source", "basis": "rfc",
            "area": "create", "difficulty": 1, "vars": vars, "steps": steps
        }))
        .expect("a trace")
    }

    /// The request lines, without HTTP's version.
    fn lines(requests: &[String]) -> Vec<&str> {
        requests
            .iter()
            .filter_map(|request| request.lines().next()?.strip_suffix(" HTTP/1.1"))
            .collect()
    }

    #[test]
    fn what_is_saved_is_used_later_and_paths_stay_as_they_are() {
        let steps = json!([
            {"method": "POST", "path": "/Users", "body": {"userName": "ann", "n": null, "e": []},
             "expect": {"status": [201], "json": {"/id": {"$type": "string"}}},
             "save": {"u": "/id", "ids[]": "/id", "tag": "header:ETag", "all": ""}},
            {"method": "PUT", "path": "/Users/{{u}}?", "body_raw": "{{{all}}", "headers": {"If-Match": "{{tag}}"}},
            {"method": "GET", "path": "/Users/{{ids[0]}}&", "expect": {"json": {"/id": "{{u}}"}}},
        ]);
        let created = (201, "ETag: W/\"1\"\r\n", r#"{"id":"7"}"#);
        let (failures, requests) = play(&steps, &[created, (200, "", ""), created]);
        assert_eq!(failures, [""; 0]);
        assert_eq!(
            lines(&requests),
            ["POST /v2/Users", "PUT /v2/Users/7?", "GET /v2/Users/7&"]
        );
        assert!(
            requests[0].ends_with("\r\n\r\n{\"userName\":\"ann\",\"n\":null,\"e\":[]}"),
            "{}",
            requests[0]
        );
        assert!(
            requests[1].contains("\r\nIf-Match: W/\"1\"\r\n"),
            "{}",
            requests[1]
        );
        assert!(
            requests[1].ends_with("\r\n\r\n{{\"id\":\"7\"}"),
            "{}",
            requests[1]
        );
    }

    #[test]
    fn every_expectation_that_does_not_hold_is_named() {
        let cases: &[(Value, (u16, &str, &str), &str)] = &[
            (
                json!({"status": [200, 204]}),
                (404, "", "{}"),
                "status 404, want one of [200, 204]",
            ),
            (json!({"body": "empty"}), (200, "", "{}"), "want no body"),
            (json!({"body": "json"}), (200, "", "[]"), "want a JSON object"),
            (json!({"body": "json"}), (204, "", ""), "want a JSON object"),
            (
                json!({"body": "json_unless_204"}),
                (200, "", ""),
                "status 200 needs the resource",
            ),
            (
                json!({"json": {"/a": 1}}),
                (200, "", r#"{"a":2}"#),
                "/a: want 1, got 2",
            ),
            (
                json!({"json": {"/a": {"$absent": true}}}),
                (204, "", ""),
                "want JSON",
            ),
            (
                json!({"json": {"/a": {"$absent": true}}}),
                (200, "", "{"),
                "want JSON",
            ),
            (
                json!({"json_if_body": {"/a": 1}}),
                (200, "", r#"{"a":2}"#),
                "/a: want 1, got 2",
            ),
            (
                json!({"headers": {"ETag": "x"}}),
                (200, "etag: y\r\n", ""),
                "header ETag: want \"x\", got \"y\"",
            ),
            (
                json!({"headers": {"ETag": "x"}}),
                (200, "", ""),
                "header ETag: want \"x\", got <absent>",
            ),
        ];
        for (expect, answer, expected) in cases {
            let steps = json!([{"method": "GET", "path": "/Users", "expect": expect}]);
            let (failures, _) = play(&steps, &[*answer]);
            assert_eq!(failures.len(), 1, "{expect}");
            assert!(
                failures[0].starts_with(&format!("step 1 (GET /Users): {expected}")),
                "{}",
                failures[0]
            );
        }
    }

    #[test]
    fn expectations_that_hold_are_silent() {
        let cases: &[(Value, (u16, &str, &str))] = &[
            (json!({"body": "empty"}), (204, "", "")),
            (json!({"body": "json_unless_204"}), (204, "", "")),
            (json!({"body": "json_unless_204"}), (200, "", "{}")),
            (json!({"json_if_body": {"/a": 1}}), (204, "", "")),
            (json!({"json_if_body": {"/a": 1}}), (200, "", "\u{feff}{\"a\":1}")),
            (
                json!({"headers": {"etag": {"$exists": true}}}),
                (200, "ETag: y\r\n", ""),
            ),
            (json!({}), (500, "", "")),
        ];
        for (expect, answer) in cases {
            let (failures, _) = play(
                &json!([{"method": "GET", "path": "/Users", "expect": expect}]),
                &[*answer],
            );
            assert_eq!(failures, [""; 0], "{expect}");
        }
    }

    #[test]
    fn a_failed_setup_skips_all_but_the_cleanup() {
        let steps = json!([
            {"name": "one", "method": "POST", "path": "/a", "expect": {"status": [201]}, "save": {"a": "/id"}},
            {"name": "two", "method": "POST", "path": "/b", "expect": {"status": [201]}, "setup": true},
            {"name": "three", "method": "GET", "path": "/c", "expect": {"status": [200]}},
            {"name": "four", "method": "DELETE", "path": "/a/{{a}}", "expect": {"status": [204]}, "cleanup": true},
            {"name": "five", "method": "DELETE", "path": "/b/{{b}}", "cleanup": true},
        ]);
        let (failures, requests) = play(
            &steps,
            &[(201, "", r#"{"id":"1"}"#), (500, "", ""), (500, "", "")],
        );
        assert_eq!(lines(&requests), ["POST /v2/a", "POST /v2/b", "DELETE /v2/a/1"]);
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(
            failures[0].starts_with("step 2 (two): status 500"),
            "{failures:?}"
        );
    }

    #[test]
    fn other_failures_do_not_stop_and_what_they_leave_unset_is_no_second_failure() {
        let steps = json!([
            {"method": "POST", "path": "/a", "expect": {"status": [201]}, "save": {"a": "/id"}},
            {"method": "GET", "path": "/a/{{a}}", "expect": {"status": [200]}},
            {"method": "GET", "path": "/c", "expect": {"status": [200]}},
        ]);
        let (failures, requests) = play(&steps, &[(400, "", ""), (404, "", "")]);
        assert_eq!(lines(&requests), ["POST /v2/a", "GET /v2/c"]);
        assert_eq!(failures.len(), 2, "{failures:?}");
    }

    #[test]
    fn a_trace_that_uses_what_it_never_saved_is_wrong() {
        let (failures, _) = play(&json!([{"method": "GET", "path": "/a/{{a}}"}]), &[]);
        assert_eq!(failures, ["step 1 (GET /a/{{a}}): no value for {{a}}"]);
        let steps = json!([{"method": "GET", "path": "/a", "save": {"a": "/id"}}]);
        let (failures, _) = play(&steps, &[(200, "", r#"{"id":null}"#)]);
        assert_eq!(failures, ["step 1 (GET /a): nothing to save at \"/id\""]);
        let steps = json!([{"method": "GET", "path": "/a", "save_if": {"a": "/id"}}]);
        assert_eq!(play(&steps, &[(200, "", "{}")]).0, [""; 0]);
    }

    #[test]
    fn own_variables_may_use_the_ones_that_are_always_there() {
        let steps = json!([{"method": "GET", "path": "/{{names[1]}}/{{base}}", "headers": {"X": "{{guid}} {{guid2}}"}}]);
        let (failures, requests) = play_with(
            &json!({"names": ["a", "b-{{run|upper}}"]}),
            &steps,
            &[(200, "", "")],
        );
        assert_eq!(failures, [""; 0]);
        let line = lines(&requests)[0].to_owned();
        assert!(
            line.starts_with("GET /v2/b-") && line.contains("/http://127.0.0.1:"),
            "{line}"
        );
        let header = requests[0]
            .lines()
            .find_map(|line| line.strip_prefix("X: "))
            .expect("the header");
        let (guid, guid2) = header.split_once(' ').expect("two");
        assert!(Uuid::parse_str(guid).is_ok() && Uuid::parse_str(guid2).is_ok() && guid != guid2);
    }

    #[test]
    fn a_repeated_step_counts_or_goes_through_a_list() {
        let steps = json!([
            {"method": "POST", "path": "/Users/{{i}}", "repeat": {"count": 2, "as": "i"}, "body": {"n": "{{i}}"},
             "save": {"ids[]": "/id"}},
            {"method": "DELETE", "path": "/Users/{{i}}", "repeat": {"over": "ids", "as": "i"}, "expect": {"status": [204]}},
        ]);
        let answers = [
            (201, "", r#"{"id":"x"}"#),
            (201, "", r#"{"id":"y"}"#),
            (204, "", ""),
            (404, "", ""),
        ];
        let (failures, requests) = play(&steps, &answers);
        assert_eq!(
            lines(&requests),
            [
                "POST /v2/Users/0",
                "POST /v2/Users/1",
                "DELETE /v2/Users/x",
                "DELETE /v2/Users/y"
            ]
        );
        assert!(requests[1].ends_with(r#"{"n":"1"}"#), "{}", requests[1]);
        assert_eq!(failures.len(), 1);
        assert!(failures[0].contains("(i=y) status 404"), "{failures:?}");
    }

    #[test]
    fn a_429_is_waited_for_unless_it_is_expected() {
        let busy = (429, "Retry-After: 0\r\n", "");
        let step = |status: u16| json!([{"method": "GET", "path": "/a", "expect": {"status": [status]}}]);
        let (failures, requests) = play(&step(200), &[busy, busy, (200, "", "")]);
        assert_eq!((failures.len(), requests.len()), (0, 3));
        let (failures, requests) = play(&step(429), &[busy]);
        assert_eq!((failures.len(), requests.len()), (0, 1));
        let (failures, requests) = play(&step(200), &[(429, "Retry-After: 11\r\n", "")]);
        assert_eq!((failures.len(), requests.len()), (1, 1));
        let (failures, requests) = play(&step(200), &[busy; 7]);
        assert_eq!((failures.len(), requests.len()), (1, 6));
    }

    #[test]
    fn no_answer_is_a_failure() {
        let (failures, _) = play(&json!([{"method": "GET", "path": "/a"}]), &[]);
        assert!(
            failures[0].starts_with("step 1 (GET /a): no answer: "),
            "{failures:?}"
        );
    }

    /// The failure of a walk through these pages and the paths that it asked for.
    fn walk(walk: Value, pages: &[&str]) -> (Option<String>, Vec<String>) {
        let mut step =
            json!({"name": "walk", "path": "/Users?startIndex={{start}}", "expect": {"status": [200]}});
        step["walk"] = walk;
        let answers: Vec<(u16, &str, &str)> = pages.iter().map(|page| (200, "", *page)).collect();
        let (failures, requests) = play_with(&json!({"ids": ["1", "2", "3"]}), &json!([step]), &answers);
        let paths = lines(&requests)
            .iter()
            .map(|line| line.replace("GET /v2/Users?startIndex=", ""))
            .collect();
        (failures.into_iter().next(), paths)
    }

    #[test]
    fn a_walk_moves_on_as_its_client_does() {
        let page = |ids: &[&str], per_page: u64| {
            let resources: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
            json!({"totalResults": 3, "itemsPerPage": per_page, "Resources": resources}).to_string()
        };
        let pages = [page(&["1", "2"], 2), page(&["3"], 1), page(&[], 0)];
        let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
        for (advance, stop, starts) in [
            ("by_count", None, &["1", "3"][..]),
            ("by_received", None, &["1", "3"]),
            ("by_items_per_page", None, &["1", "3"]),
            ("by_count", Some("short_page"), &["1", "3"]),
            ("by_received", Some("empty"), &["1", "3", "4"]),
        ] {
            let mut settings = json!({"count": 2, "advance": advance, "must_contain": "ids", "items_per_page_is_length": true});
            if let Some(stop) = stop {
                settings["stop"] = stop.into();
            }
            let (failure, asked) = walk(settings, &pages);
            assert_eq!(failure, None, "{advance}");
            assert_eq!(asked, starts, "{advance}");
        }
    }

    #[test]
    fn a_walk_sees_what_is_wrong_with_pages() {
        let settings = RefCell::new(json!({"count": 2, "advance": "by_count", "must_contain": "ids"}));
        let check = |pages: &[&str], expected: &str| {
            let (failure, _) = walk(settings.borrow().clone(), pages);
            let failure = failure.unwrap_or_default();
            assert!(failure.contains(expected), "{pages:?}: {failure}");
        };
        let two = r#"{"totalResults":3,"itemsPerPage":2,"Resources":[{"id":"1"},{"id":"2"}]}"#;
        check(
            &[two, two],
            "page 2 (startIndex=3): 1 was already on an earlier page",
        );
        check(&[two, r#"{"totalResults":3}"#], "missed 1 of 3 (first \"3\")");
        check(&[r#"{"totalResults":"3"}"#], "totalResults is \"3\"");
        check(&[r#"{"totalResults":3.0}"#], "totalResults is 3.0");
        check(&["{}"], "totalResults is <absent>");
        settings.borrow_mut()["items_per_page_is_length"] = true.into();
        check(
            &[r#"{"totalResults":1,"itemsPerPage":2,"Resources":[{"id":"1"}]}"#],
            "itemsPerPage is 2, the page holds 1",
        );
        settings.borrow_mut()["advance"] = "by_items_per_page".into();
        settings.borrow_mut()["items_per_page_is_length"] = false.into();
        check(&[r#"{"totalResults":1}"#], "itemsPerPage is <absent>");
        settings
            .replace(json!({"count": 2, "advance": "by_received", "stop": "short_page", "max_requests": 2}));
        let other = r#"{"totalResults":9,"Resources":[{"id":"3"},{"id":"4"}]}"#;
        check(&[two, other], "the walk did not end after 2 requests");
    }

    #[test]
    fn a_misspelt_member_is_an_error() {
        let steps = json!([{"method": "GET", "path": "/a", "expects": {}}]);
        let trace = json!({
            "client": "test", "title": "a test", "source": "none", "confidence": "source", "basis": "rfc",
            "area": "create", "difficulty": 1, "steps": steps
        });
        assert!(serde_json::from_value::<Trace>(trace).is_err());
    }
}
