//! The arguments of `migrate`.

use clap::{Args, Subcommand};

/// The arguments of `migrate`. Without a command below it, it migrates.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Show the migrations that would run, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// The command.
    #[command(subcommand)]
    pub command: Option<MigrateCommand>,
}

/// The commands below `migrate`.
#[derive(Debug, Subcommand)]
pub enum MigrateCommand {
    /// Show which migrations the database has, and which are missing
    Status {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Run the missing migrations
    Up {
        /// Show the migrations that would run, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl MigrateArgs {
    /// Whether the output is JSON.
    pub fn is_json(&self) -> bool {
        let of_command = match &self.command {
            Some(MigrateCommand::Status { json } | MigrateCommand::Up { json, .. }) => *json,
            None => false,
        };
        self.json || of_command
    }

    /// Whether nothing may be changed.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run || matches!(self.command, Some(MigrateCommand::Up { dry_run: true, .. }))
    }
}
