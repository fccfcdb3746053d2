//! The binary: it puts configuration, store, service and routes together, and alone names the storage adapter.

mod backup;
mod commands;
mod doctor;
mod failure;
mod listeners;
mod migrate;
mod move_to;
mod serve;
mod transfer;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use scim_server::cli::arguments::Cli;
use scim_server::cli::exit::Exit;
use scim_server::cli::hints::Hints;
use scim_server::cli::{environment, secrets, with_sources};
use scim_server::{clock, logging};

use crate::failure::Failure;

fn main() -> ExitCode {
    logging::start();
    let matches = Cli::command()
        .try_get_matches()
        .unwrap_or_else(|error| exit_with_usage(&error));
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| exit_with_usage(&error));
    if let Err(text) = Cli::check_order(&matches) {
        Cli::command()
            .error(clap::error::ErrorKind::ArgumentConflict, text)
            .exit();
    }
    environment::warn_of_unknown_variables(&Cli::command());
    let hints = Hints::new(&matches, &cli);
    let result = match clock::is_set() {
        true => commands::run(cli, &hints),
        false => Err(Failure::new(
            Exit::Failed,
            "the clock of this machine says a time before 1970: set it first",
        )),
    };
    logging::flush();
    match result {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            let text = secrets::hide(&with_sources(&*failure.error));
            let _ = writeln!(io::stderr(), "scim-server: {text}");
            failure.exit.into()
        }
    }
}

/// Ends the process with an error of the command line, or with the help that was asked for.
fn exit_with_usage(error: &clap::Error) -> ! {
    let text = error.to_string();
    let shown = secrets::hide(&text);
    if shown == text {
        error.exit();
    }
    let _ = write!(io::stderr(), "{shown}");
    std::process::exit(error.exit_code());
}
