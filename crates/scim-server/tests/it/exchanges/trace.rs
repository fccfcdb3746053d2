//! The form of a trace file. A member with a wrong name is an error, so that no expectation is lost by it.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A scenario: requests in order, and what the answers must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trace {
    /// The client that sends it: `okta`, `entra`, …
    pub(crate) client: String,
    /// A summary in one sentence.
    pub(crate) title: String,
    /// Where the requests were seen or documented.
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) notes: Option<String>,
    /// How well known: `trace`, `source`, `docs`, `fixture`, `issue`.
    pub(crate) confidence: String,
    /// Whether the RFC demands it too: `rfc`, `client`, `client-over-rfc`.
    pub(crate) basis: String,
    #[serde(default)]
    pub(crate) conflicts_with_rfc: Option<String>,
    pub(crate) area: String,
    pub(crate) difficulty: u8,
    /// Creates more than 50 resources.
    #[serde(default)]
    pub(crate) heavy: bool,
    /// Further variables.
    #[serde(default)]
    pub(crate) vars: Map<String, Value>,
    pub(crate) steps: Vec<Step>,
}

/// A request, a repeated request, or a walk through pages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    #[serde(default)]
    name: Option<String>,
    /// Absent in a walk, which is always a GET.
    #[serde(default)]
    pub(crate) method: Option<String>,
    /// Goes out exactly as written, after substitution.
    pub(crate) path: String,
    /// Added to the default headers; `null` removes one.
    #[serde(default)]
    pub(crate) headers: Map<String, Value>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) body: Option<Value>,
    #[serde(default)]
    pub(crate) body_raw: Option<String>,
    #[serde(default)]
    pub(crate) expect: Expect,
    /// Maps a variable to the place of its value in the answer.
    #[serde(default)]
    pub(crate) save: Map<String, Value>,
    /// The same for values that may be missing.
    #[serde(default)]
    pub(crate) save_if: Map<String, Value>,
    /// When it fails, the steps after it are skipped.
    #[serde(default)]
    pub(crate) setup: bool,
    /// Always run, never counted.
    #[serde(default)]
    pub(crate) cleanup: bool,
    #[serde(default)]
    pub(crate) repeat: Option<Repeat>,
    #[serde(default)]
    pub(crate) walk: Option<Walk>,
}

impl Step {
    pub(crate) fn name(&self) -> String {
        let method = self.method.as_deref().unwrap_or("GET");
        self.name
            .clone()
            .unwrap_or_else(|| format!("{method} {}", self.path))
    }
}

/// The expectations of the answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// Any of these; an empty list expects nothing.
    #[serde(default)]
    pub(crate) status: Vec<u16>,
    #[serde(default)]
    pub(crate) body: Option<BodyKind>,
    /// From JSON pointers to matchers.
    #[serde(default)]
    pub(crate) json: Map<String, Value>,
    /// The same, only when there is a body.
    #[serde(default)]
    pub(crate) json_if_body: Map<String, Value>,
    /// From header names to matchers.
    #[serde(default)]
    pub(crate) headers: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BodyKind {
    Empty,
    /// A JSON object.
    Json,
    /// RFC 7644 section 3.5.2: 200 with the resource, or 204.
    #[serde(rename = "json_unless_204")]
    JsonUnless204,
}

/// Sends the same request for each element of a list, or a number of times.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repeat {
    #[serde(default)]
    pub(crate) count: Option<usize>,
    /// The name of a list.
    #[serde(default)]
    pub(crate) over: Option<String>,
    /// The variable that holds the element or the number, as a string.
    #[serde(rename = "as")]
    pub(crate) variable: String,
}

/// Pages through a list as that client does, with `{{start}}` in the path.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Walk {
    /// The value at the path.
    pub(crate) count: u64,
    pub(crate) advance: Advance,
    #[serde(default)]
    pub(crate) stop: Stop,
    /// The name of a list of ids that the pages have to hold.
    #[serde(default)]
    pub(crate) must_contain: Option<String>,
    /// Whether `itemsPerPage` has to be the number of resources on the page.
    #[serde(default)]
    pub(crate) items_per_page_is_length: bool,
    #[serde(default = "max_requests")]
    pub(crate) max_requests: usize,
}

fn max_requests() -> usize {
    400
}

/// The client's step of `startIndex` after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Advance {
    #[serde(rename = "by_count")]
    Count,
    #[serde(rename = "by_items_per_page")]
    ItemsPerPage,
    #[serde(rename = "by_received")]
    Received,
}

/// When the client has enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    /// When `totalResults` is reached.
    #[default]
    Total,
    ShortPage,
    Empty,
}

/// Tells `"body": null`, which is sent, from no body.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
