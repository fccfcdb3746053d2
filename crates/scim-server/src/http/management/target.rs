//! URLs in requests that the server will send requests to.

use super::operator::Work;
use super::problem::Problem;

/// Checks the URL that a member of a request has. Returns a warning if its host does not exist now, which may change.
///
/// # Errors
/// 400 for a target that the operator of the server does not permit.
pub(super) fn check_target(work: &Work, member: &str, url: &str) -> Result<Option<String>, Problem> {
    match work.management.egress.check(url) {
        Ok(_) => Ok(None),
        Err(error) if error.is_temporary() => Ok(Some(format!("`{member}`: {error}"))),
        Err(error) => Err(Problem::invalid(member, error.to_string())),
    }
}
