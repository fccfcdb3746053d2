//! `explain [FILTER]`: parses a filter and shows the position of an error.
//!
//! ```text
//! $ cargo run -p scim-filter --example explain -- 'userName == "x"'
//! userName == "x"
//!          ^
//! expected an operator such as `eq` at column 10, found `==`: write `eq`
//! ```
#![allow(clippy::print_stdout)] // The result is printed.

use scim_filter::{Filter, Options};

fn main() {
    let text = std::env::args()
        .nth(1)
        .unwrap_or_else(|| r#"emails[type eq work].value eq "x""#.to_owned());
    match Filter::parse_with(&text, &Options::default()) {
        Ok(parsed) => {
            println!("{}", parsed.value);
            for leniency in parsed.leniencies {
                println!("not in the RFC's grammar: {leniency}");
            }
        }
        Err(error) => {
            println!("{text}\n{}^\n{error}", " ".repeat(error.column() - 1));
        }
    }
}
