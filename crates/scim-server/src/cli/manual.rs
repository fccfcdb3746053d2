//! The manual page, for packages.

use std::io::Write;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::CommandError;
use super::exit::Exit;
use super::settings::grammar::grammar;

/// Prints the manual page scim-server(1) in the format of man(7).
///
/// # Errors
/// `Io`.
pub fn print(output: &mut dyn Write) -> Result<(), CommandError> {
    let mut grammar = grammar();
    // It gives each command its whole name.
    grammar.build();
    let page = Man::new(grammar.clone()).section("1").manual("User Commands");
    page.render_title(output)?;
    page.render_name_section(output)?;
    synopsis().to_writer(output)?;
    page.render_description_section(output)?;
    commands(&grammar).to_writer(output)?;
    page.render_options_section(output)?;
    exit_codes().to_writer(output)?;
    Ok(())
}

/// The form of calls. The library would list all flags.
fn synopsis() -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["SYNOPSIS"]);
    page.text([bold("scim-server"), roman(" [OPTIONS] [COMMAND]")]);
    page
}

/// The commands with what they do. `--help` shows their options, which would be several hundred here.
fn commands(grammar: &Command) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["COMMANDS"]);
    page.text([
        roman("Without a command, the server serves. "),
        bold("scim-server help COMMAND"),
        roman(" shows the options of a command."),
    ]);
    add_commands(&mut page, grammar);
    page
}

fn add_commands(page: &mut Roff, command: &Command) {
    for below in command.get_subcommands().filter(|it| it.get_name() != "help") {
        if below.is_subcommand_required_set() {
            add_commands(page, below);
            continue;
        }
        let about = below.get_about().map(ToString::to_string).unwrap_or_default();
        let name = below.get_bin_name().unwrap_or_else(|| below.get_name());
        page.control("TP", []);
        page.text([bold(name)]);
        page.text([roman(about)]);
        // Such as those of `migrate`, which also works without one.
        add_commands(page, below);
    }
}

/// The table of the exit codes, as `--help` has it.
fn exit_codes() -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["EXIT STATUS"]);
    for line in Exit::HELP.lines().skip(1) {
        let (code, meaning) = line.trim().split_once("  ").unwrap_or((line, ""));
        page.control("TP", []);
        page.text([bold(code)]);
        page.text([roman(meaning)]);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command_setting_and_exit_code() {
        let mut page = Vec::new();
        print(&mut page).expect("it is printed into memory");
        let page = String::from_utf8(page).expect("it is text");
        // A hyphen is `\-` in a page.
        let has = |text: &str| page.contains(&text.replace('-', "\\-"));
        for expected in [
            "scim-server tenant create\\fR\n",
            "scim-server migrate\\fR\n",
            "scim-server migrate status\\fR\n",
            "--otlp-endpoint",
            "SCIM_DATABASE_URL_FILE",
            "the database is busy",
        ] {
            assert!(has(expected), "{expected}");
        }
        for section in ["NAME", "SYNOPSIS", "COMMANDS", "OPTIONS", "EXIT STATUS"] {
            let named =
                page.contains(&format!(".SH {section}\n")) || page.contains(&format!(".SH \"{section}\"\n"));
            assert!(named, "{section}: {page}");
        }
    }
}
