//! `cargo xtask bench filter`: parses the same filters with scim-filter and with other SCIM filter parsers for Rust on
//! one core, and prints thousands of parses per second.

use std::hint::black_box;
use std::time::{Duration, Instant};

const FILTERS: [(&str, &str); 6] = [
    ("F1 one comparison", r#"userName eq "bjensen""#),
    (
        "F2 and, group",
        r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
    ),
    (
        "F3 two value paths",
        r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]"#,
    ),
    (
        "F4 URN, dateTime",
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq "701984" and meta.lastModified gt "2011-05-13T04:42:34Z""#,
    ),
    (
        "F5 not, or, escapes",
        r#"not (userType eq "Employee") or displayName co "a \"quoted\" name" and title pr or active eq true"#,
    ),
    ("F6 Entra", r#"emails[type eq "work"].value eq "bjensen@example.com""#),
];

type Parser = (&'static str, fn(&str) -> bool);

const PARSERS: [Parser; 5] = [
    ("one pass over the bytes", one_pass),
    ("scim-filter (this one)", |text| black_box(scim_filter::Filter::parse(text)).is_ok()),
    ("scim_proto 1.11 (peg)", |text| {
        black_box(text.parse::<scim_proto::filter::ScimFilter>()).is_ok()
    }),
    ("scim-filter 0.2 (nom)", |text| {
        black_box(peer_nom::parser::filter(text)).is_ok_and(|(rest, _)| rest.is_empty())
    }),
    ("scim_v2 1.0 (lalrpop)", |text| black_box(text.parse::<scim_v2::filter::Filter>()).is_ok()),
];

/// The lower bound: every parser has to read each byte.
fn one_pass(text: &str) -> bool {
    black_box(text.bytes().fold(0_u32, |sum, it| sum.rotate_left(1) ^ u32::from(it))) != 1
}

fn main() {
    let rounds = 150;
    println!("thousands of parses a second, one core, best of {rounds} rounds; - refuses it\n");
    print!("{:26}", "");
    for (name, _) in FILTERS {
        print!("{name:>21}");
    }
    println!();
    // Each round covers all parsers, so that other load on the machine affects all of them.
    let mut rates = vec![vec![Vec::new(); FILTERS.len()]; PARSERS.len()];
    for _ in 0..rounds {
        for (row, (_, parse)) in PARSERS.iter().enumerate() {
            for (column, (_, text)) in FILTERS.iter().enumerate() {
                if parse(text) {
                    rates[row][column].push(rate(*parse, text));
                }
            }
        }
    }
    let bests: Vec<Vec<Option<f64>>> =
        rates.into_iter().map(|row| row.into_iter().map(best).collect()).collect();
    let ours = 1;
    for (row, (name, _)) in PARSERS.iter().enumerate() {
        print!("{name:26}");
        for (column, rate) in bests[row].iter().enumerate() {
            let cell = match (rate, bests[ours][column]) {
                (None, _) => "-".to_owned(),
                (Some(rate), Some(own)) if row != ours => {
                    format!("{:.0} ({:.2}x)", rate / 1e3, own / rate)
                }
                (Some(rate), _) => format!("{:.0}", rate / 1e3),
            };
            print!("{cell:>21}");
        }
        println!();
    }
    println!("\n(1.50x: scim-filter is one and a half times as fast)\n");
    println!("linear in the length: nanoseconds a byte of `id eq \"…\" or id eq \"…\" or …`");
    for terms in [1, 10, 100, 1000] {
        let text = vec![r#"id eq "2819c223-7f76-453a-919d-413861904646""#; terms].join(" or ");
        let rate = best((0..rounds).map(|_| rate(PARSERS[ours].1, &text)).collect()).unwrap_or(f64::NAN);
        println!("{terms:>6} terms {:>8} bytes {:8.2}", text.len(), 1e9 / rate / text.len() as f64);
    }
}

/// Returns the number of parses per second.
fn rate(parse: fn(&str) -> bool, text: &str) -> f64 {
    // The window is short enough that other load on the machine leaves some windows undisturbed.
    let window = Duration::from_millis(1);
    let mut batch = 16;
    loop {
        let start = Instant::now();
        for _ in 0..batch {
            parse(black_box(text));
        }
        let elapsed = start.elapsed();
        if elapsed >= window {
            return f64::from(batch) / elapsed.as_secs_f64();
        }
        batch *= 2;
    }
}

/// Returns the best rate, because other load on the machine can only make a parser slower.
fn best(rates: Vec<f64>) -> Option<f64> {
    rates.into_iter().max_by(f64::total_cmp)
}
