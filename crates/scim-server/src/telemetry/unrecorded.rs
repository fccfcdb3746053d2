//! Builds without traces.

use super::Answered;
use crate::egress::Authorities;

/// The export of spans. This build has no spans.
#[derive(Debug)]
pub struct Traces;

impl Traces {
    /// Starts nothing.
    ///
    /// # Errors
    /// None.
    pub fn start(_endpoint: Option<&str>, _authorities: Authorities) -> Result<Option<Traces>, String> {
        Ok(None)
    }
}

/// The span of a request, which is not recorded.
#[derive(Clone, Debug, Default)]
pub struct RequestSpan;

impl RequestSpan {
    /// Begins nothing.
    pub fn begin(_method: &str, _traceparent: Option<&str>) -> RequestSpan {
        RequestSpan
    }

    /// Runs the work of the request.
    pub async fn run<F: Future>(&self, work: F) -> F::Output {
        work.await
    }

    /// Ends nothing.
    pub fn end(&self, _answered: &Answered) {}
}

/// Work that a request asks for.
#[derive(Debug)]
pub struct Asked;

impl Asked {
    /// Notes nothing.
    pub fn now() -> Asked {
        Asked
    }

    /// Begins nothing.
    pub fn begin(self) -> WorkSpan {
        WorkSpan
    }
}

/// The span of the work, which is not recorded.
#[derive(Debug)]
pub struct WorkSpan;
