//! The completions of shells.

use std::io::Write;

use clap_complete::Shell;

use super::CommandError;
use super::settings::grammar::grammar;

/// Prints the completions for a shell.
///
/// # Errors
/// `Io`.
pub fn print(shell: Shell, output: &mut dyn Write) -> Result<(), CommandError> {
    Ok(output.write_all(script(shell).as_bytes())?)
}

fn script(shell: Shell) -> String {
    // For bash, clap_complete 4.6 gives the commands below a name with `-` two different identifiers, and finds none of
    // them. The name that is completed is the last word of the script's `complete`.
    let name = match shell {
        Shell::Bash => "scim_server",
        _ => "scim-server",
    };
    // The library panics when it cannot print.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut grammar(), name, &mut text);
    let text = String::from_utf8_lossy(&text);
    text.replace("default scim_server\n", "default scim-server\n")
}
