//! `walk [FILTER]`: lists the conditions of a filter, one on each line, indented by nesting.
#![allow(clippy::print_stdout)] // The result is printed.

use scim_filter::{Filter, ParseError, ValFilter};

fn main() -> Result<(), ParseError> {
    let text = std::env::args().nth(1).unwrap_or_else(|| {
        r#"userType eq "Employee" and (title pr or not (emails[type eq "work" and primary eq true]))"#
            .to_owned()
    });
    let filter = Filter::parse(&text)?;
    walk(&filter, 0);
    let attributes: Vec<String> = filter.attributes().map(ToString::to_string).collect();
    println!("\nattributes: {}", attributes.join(", "));
    Ok(())
}

fn walk(filter: &Filter, level: usize) {
    let indent = "  ".repeat(level);
    match filter {
        Filter::Attr(test) => println!("{indent}{test}"),
        Filter::ValuePath(value_path) => {
            println!("{indent}one value of {} with", value_path.path);
            walk_value(&value_path.filter, level + 1);
        }
        Filter::And(operands) => {
            println!("{indent}all of");
            operands.iter().for_each(|it| walk(it, level + 1));
        }
        Filter::Or(operands) => {
            println!("{indent}any of");
            operands.iter().for_each(|it| walk(it, level + 1));
        }
        Filter::Not(inner) => {
            println!("{indent}not");
            walk(inner, level + 1);
        }
    }
}

fn walk_value(filter: &ValFilter, level: usize) {
    let indent = "  ".repeat(level);
    match filter {
        ValFilter::Attr(test) => println!("{indent}{test}"),
        ValFilter::And(operands) => {
            println!("{indent}all of");
            operands.iter().for_each(|it| walk_value(it, level + 1));
        }
        ValFilter::Or(operands) => {
            println!("{indent}any of");
            operands.iter().for_each(|it| walk_value(it, level + 1));
        }
        ValFilter::Not(inner) => {
            println!("{indent}not");
            walk_value(inner, level + 1);
        }
    }
}
