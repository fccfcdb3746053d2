//! The arguments of `history`.

use chrono::{DateTime, Utc};
use clap::Args;
use scim_model::change::ChangePosition;
use uuid::Uuid;

use super::StoredFormArgs;

/// The arguments of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The id of the user or group
    #[arg(value_name = "ID")]
    pub id: Uuid,
    /// The tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: String,
    /// Show the resource as it was at this time, for example `2026-11-30T12:00:00Z`
    #[arg(long, value_name = "TIME", conflicts_with_all = ["from", "to", "limit", "before"])]
    pub at: Option<DateTime<Utc>>,
    /// Show the difference between the states at this time and at `--to`
    #[arg(long, value_name = "TIME", conflicts_with_all = ["limit", "before"])]
    pub from: Option<DateTime<Utc>>,
    /// The later time of the difference [default: now]
    #[arg(long, value_name = "TIME", requires = "from")]
    pub to: Option<DateTime<Utc>>,
    /// The most changes to show
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Only changes before this `position`, which the last line of the page before has
    #[arg(long, value_name = "POSITION", allow_hyphen_values = true)]
    pub before: Option<ChangePosition>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// The settings of the servers.
    #[command(flatten)]
    pub form: StoredFormArgs,
}
