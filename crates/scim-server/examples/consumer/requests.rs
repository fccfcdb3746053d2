//! The requests to the server: pages of the feed, and the list of users.

use std::io::{self, BufReader};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Error;

use crate::settings::Settings;
use crate::table::User;

#[derive(Deserialize)]
pub(crate) struct FeedPage {
    pub(crate) events: Vec<Event>,
    pub(crate) next: String,
    pub(crate) more: bool,
}

#[derive(Deserialize)]
pub(crate) struct Event {
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    #[serde(default)]
    pub(crate) data: Value,
}

impl Event {
    /// Returns the user that an event of a type `user.*` is about.
    pub(crate) fn user(&self) -> User {
        let text = |name: &str| self.data[name].as_str().unwrap_or_default().to_owned();
        User {
            id: text("resourceId"),
            tenant: text("tenant"),
            user_name: text("userName"),
        }
    }
}

/// Returns a page of the feed, or `None` if the feed cannot continue after the position.
pub(crate) fn feed(settings: &Settings, after: &str) -> Result<Option<FeedPage>, Error> {
    let mut query = vec![("types", "user.*"), ("after", after)];
    query.extend(
        settings
            .scim_tokens
            .iter()
            .map(|(tenant, _)| ("tenant", tenant.as_str())),
    );
    match get(&settings.feed_url, &query, &settings.feed_key) {
        Err(Error::StatusCode(410)) => Ok(None),
        page => page.map(Some),
    }
}

#[derive(Deserialize)]
struct UserPage {
    #[serde(rename = "Resources")]
    users: Vec<ScimUser>,
    #[serde(rename = "nextCursor")]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct ScimUser {
    id: String,
    #[serde(rename = "userName")]
    user_name: String,
}

/// Returns the active users of all tenants.
pub(crate) fn active_users(settings: &Settings) -> Result<Vec<User>, Error> {
    let url = format!("{}/Users", settings.scim_url);
    let mut users = Vec::new();
    for (tenant, token) in &settings.scim_tokens {
        let mut cursor = Some(String::new());
        while let Some(after) = cursor {
            let filter = ("filter", "active eq true");
            let page: UserPage = get(
                &url,
                &[filter, ("attributes", "userName"), ("cursor", &after)],
                token,
            )?;
            users.extend(page.users.into_iter().map(|user| User {
                id: user.id,
                tenant: tenant.clone(),
                user_name: user.user_name,
            }));
            cursor = page.next_cursor;
        }
    }
    Ok(users)
}

fn get<T: DeserializeOwned>(url: &str, query: &[(&str, &str)], token: &str) -> Result<T, Error> {
    let request = ureq::get(url).query_pairs(query.iter().copied());
    let request = request.header("Authorization", format!("Bearer {token}"));
    let request = request
        .config()
        .timeout_global(Some(Duration::from_secs(60)))
        .build();
    let body = BufReader::new(request.call()?.into_body().into_reader());
    Ok(serde_json::from_reader(body).map_err(io::Error::from)?)
}
