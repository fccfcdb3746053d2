//! The settings. Each one is a flag and an environment variable: `--feed-url` and `FEED_URL`.

use clap::Parser;

#[derive(Parser)]
pub(crate) struct Settings {
    /// The feed
    #[arg(long, env, default_value = "http://127.0.0.1:8081/api/v1/events")]
    pub(crate) feed_url: String,
    /// An operator key with the scope `events`
    #[arg(long, env, hide_env_values = true)]
    pub(crate) feed_key: String,
    /// The base URL of SCIM
    #[arg(long, env, default_value = "http://127.0.0.1:8080/scim/v2")]
    pub(crate) scim_url: String,
    /// The tenants, each with a token of the scope `scim.read`, such as `acme=TOKEN,globex=TOKEN`
    #[arg(long, env, hide_env_values = true, value_delimiter = ',', required = true)]
    #[arg(value_parser = tenant_and_token)]
    pub(crate) scim_tokens: Vec<(String, String)>,
    /// The address at which webhooks arrive
    #[arg(long, env, default_value = "127.0.0.1:9000")]
    pub(crate) webhook_listen: String,
    /// The secret of the webhook endpoint
    #[arg(long, env, hide_env_values = true)]
    pub(crate) webhook_secret: String,
    /// The seconds after which the feed is read without a webhook
    #[arg(long, env, default_value_t = 30)]
    pub(crate) poll_seconds: u64,
}

impl Settings {
    /// Returns the names of the tenants, separated by commas.
    pub(crate) fn tenants(&self) -> String {
        let names = self.scim_tokens.iter().map(|(tenant, _)| tenant.as_str());
        names.collect::<Vec<_>>().join(",")
    }
}

fn tenant_and_token(text: &str) -> Result<(String, String), &'static str> {
    let (tenant, token) = text.split_once('=').ok_or("expected TENANT=TOKEN")?;
    Ok((tenant.to_owned(), token.to_owned()))
}
