//! The flags about running a server: what is measured, and how it stops.

use clap::{Args, ValueEnum};

use super::{OPERATION, trimmed};

/// The settings about running a server.
#[derive(Clone, Debug, Args)]
pub struct OperationArgs {
    /// The most tenants that the metrics count apart: the first ones that send a request. All others are counted together;
    /// 0 shows no names of tenants
    #[arg(long, help_heading = OPERATION, env = "SCIM_METRICS_TENANTS", default_value_t = 100, value_name = "N",
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub metrics_tenants: u32,

    /// Seconds between a SIGTERM or SIGINT and the stop. In this time `/readyz` fails, so that load balancers send no new
    /// clients, and requests are served; a second signal ends it
    #[arg(long, help_heading = OPERATION, env = "SCIM_SHUTDOWN_DELAY", default_value_t = 0, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub shutdown_delay: u32,

    /// The OpenTelemetry collector that gets a trace of each request, by OTLP over HTTP (`http/protobuf`), for example
    /// `http://localhost:4318`; `/v1/traces` is added to its path. Only in builds with the feature `otlp`
    #[arg(long, help_heading = OPERATION, env = "SCIM_OTLP_ENDPOINT", value_name = "URL", value_parser = trimmed)]
    pub otlp_endpoint: Option<String>,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Time, level, source and message
    Text,
    /// A JSON object with the same members, and the fields of the entry
    Json,
}
