//! The options of `events`.

use clap::Args;

use crate::delivery::feed::After;
use crate::delivery::filter::TypePattern;

/// The options of `events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Only events of this tenant; can be given several times [default: all tenants]
    #[arg(long, value_name = "NAME")]
    pub tenant: Vec<String>,
    /// Only events of these types, for example `user.deactivated,group.*`
    #[arg(long, value_name = "TYPE[,TYPE…]", value_delimiter = ',')]
    pub types: Vec<TypePattern>,
    /// Only events after the one with this `id`; `now` means events that are yet to come
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub after: Option<After>,
    /// Exit after this many events
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Keep running, and print events as they happen
    #[arg(long)]
    pub follow: bool,
    /// Print the current `id` instead of events: a later `--after` with it prints the events since
    #[arg(long, conflicts_with_all = ["follow", "after", "limit", "types"])]
    pub position: bool,
}
