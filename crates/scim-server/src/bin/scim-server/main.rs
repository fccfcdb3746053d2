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

use scim_server::cli::arguments::LogFormat;
use scim_server::cli::environment;
use scim_server::cli::exit::Exit;
use scim_server::cli::settings::sources::with_place;
use scim_server::cli::start::Start;
use scim_server::cli::{secrets, with_sources};
use scim_server::{clock, logging};

use crate::failure::Failure;

fn main() -> ExitCode {
    let (cli, start) = Start::of_process();
    logging::start(match cli.log_format {
        LogFormat::Text => logging::Format::Text,
        LogFormat::Json => logging::Format::Json,
    });
    environment::warn_of_unknown_variables(&start.grammar);
    let result = match clock::is_set() {
        true => commands::run(cli, &start),
        false => Err(Failure::new(
            Exit::Failed,
            "the clock of this machine says a time before 1970: set it first",
        )),
    };
    let exit = match result {
        Ok(()) => Exit::Done,
        Err(failure) => {
            let text = with_place(&with_sources(&*failure.error), &start.origins);
            let text = secrets::hide(&text);
            match logging::format() {
                logging::Format::Json => log::error!("{text}"),
                logging::Format::Text => {
                    logging::flush();
                    let _ = writeln!(io::stderr(), "scim-server: {text}");
                }
            }
            failure.exit
        }
    };
    logging::flush();
    exit.into()
}
