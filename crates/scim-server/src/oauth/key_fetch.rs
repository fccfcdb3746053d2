//! Fetching a JWK set from a URL in the settings.

use std::sync::Arc;
use std::time::Duration;

use crate::egress::{Egress, Limits, Method, Oversize, Request};

/// The limits of a fetch.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(3),
    total: Duration::from_secs(5),
    body: 512 * 1024,
    oversize: Oversize::Refuse,
};

/// A fetched document.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The text of the key set.
    pub text: Vec<u8>,
    /// The time for which the issuer lets it be cached.
    pub max_age: Option<Duration>,
}

/// Fetches the document at a URL, or returns the reason why it cannot be fetched.
pub type Fetch = Arc<dyn Fn(&str) -> Result<Fetched, String> + Send + Sync>;

/// Returns a fetch over the guarded client.
pub fn over(egress: Arc<Egress>) -> Fetch {
    Arc::new(move |url| {
        let target = egress.target(url).map_err(|error| error.to_string())?;
        let request = Request {
            method: Method::Get,
            target: &target,
            headers: &[("accept", "application/jwk-set+json, application/json")],
            body: &[],
        };
        let response = egress
            .send(&request, &LIMITS)
            .map_err(|error| error.to_string())?;
        if response.status != 200 {
            return Err(format!("the issuer answered with status {}", response.status));
        }
        Ok(Fetched {
            max_age: response.header("cache-control").and_then(max_age),
            text: response.body,
        })
    })
}

fn max_age(cache_control: &str) -> Option<Duration> {
    let seconds = cache_control.split(',').find_map(|it| {
        it.trim()
            .to_ascii_lowercase()
            .strip_prefix("max-age=")?
            .parse()
            .ok()
    });
    seconds.map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_one_of_several_directives() {
        for (text, seconds) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age=86400, must-revalidate", Some(86400)),
            ("no-store", None),
            ("s-maxage=60", None),
            ("max-age=-1", None),
            ("max-age=99999999999999999999999", None),
        ] {
            assert_eq!(max_age(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
