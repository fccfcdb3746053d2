//! Limits: any text is parsed or refused quickly, and nothing overflows the stack.

use scim_filter::{AttrPath, Filter, Options, PatchPath};

#[test]
fn ten_thousand_parentheses_are_refused_at_once() {
    let text = "(".repeat(10_000);
    let error = Filter::parse(&text).unwrap_err();
    assert!(error.is_limit());
    // Refused at the position where it becomes too deep, before the parser runs.
    assert_eq!(error.offset(), Options::default().max_depth);
}

#[test]
fn each_limit_is_named_in_its_error() {
    let options = Options {
        max_length: 30,
        max_depth: 2,
        max_terms: 2,
        ..Options::default()
    };
    let message = |text: &str| Filter::parse_with(text, &options).unwrap_err().to_string();
    assert_eq!(message(&"a".repeat(31)), "longer than 30 bytes");
    assert_eq!(message("(((a pr)))"), "nested deeper than 2 levels at column 3");
    assert_eq!(
        message("a pr or b pr or c pr"),
        "more than 2 comparisons at column 18"
    );
    assert!(Filter::parse_with("((a pr)) or b pr", &options).is_ok());
    assert!(
        Filter::parse_with(r#"a eq "(((((((((""#, &options).is_ok(),
        "parentheses in a string do not nest"
    );
}

#[test]
fn the_deepest_text_fits_into_a_small_stack() {
    let depth = Options::DEPTH_CEILING;
    let options = Options {
        max_depth: usize::MAX,
        ..Options::default()
    };
    let filters = [
        "(".repeat(depth) + "a pr" + &")".repeat(depth),
        "not (".repeat(depth) + "a pr" + &")".repeat(depth),
        "(a pr or (b pr and ".repeat(depth / 2) + "a pr" + &"))".repeat(depth / 2),
        "a[".to_owned() + &"not (".repeat(depth - 1) + "a pr" + &")".repeat(depth - 1) + "]",
    ];
    let run = move || {
        for text in &filters {
            let filter = Filter::parse_with(text, &options).unwrap().value;
            let text = filter.to_string();
            let again = Filter::parse_with(&text, &options).unwrap().value;
            assert_eq!(again.clone(), filter);
            assert!(Filter::parse_with(&format!("({text}"), &options).is_err());
        }
        let path = "a[".to_owned() + &"(".repeat(depth - 1) + "a pr" + &")".repeat(depth - 1) + "].b";
        assert!(PatchPath::parse_with(&path, &options).is_ok());
    };
    // Half of what Rust gives to a thread.
    std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn the_longest_texts_are_parsed_or_refused() {
    let options = Options {
        max_length: usize::MAX,
        max_terms: usize::MAX,
        ..Options::default()
    };
    let texts: [fn(usize) -> String; 8] = [
        |n| vec!["a pr"; n].join(" and "),
        |n| " ".repeat(n) + "x",
        |n| "a pr".to_owned() + &" ".repeat(n) + "x",
        |n| "a eq \"".to_owned() + &"x".repeat(n),
        |n| "a".repeat(n) + " xx",
        |n| "urn:".repeat(n) + " pr",
        |n| "not(a pr)and ".repeat(n),
        |n| "(a pr) or ".repeat(n) + "a[b eq 'x",
    ];
    for text in texts {
        // Exponential time would never end. `tests/linear.rs` counts the calls, `cargo xtask bench filter` shows the
        // time for each byte.
        let _ = Filter::parse_with(&text(20_000), &options);
    }
}

#[test]
fn quotes_and_parentheses_in_names_hide_no_depth() {
    let starts = [
        "a' pr and ",
        "a\" pr and ",
        "urn:x\":a eq 1 or ",
        "a) pr and ",
        "a] pr and ",
        "a[b' pr] or ",
    ];
    for start in starts {
        assert!(
            Filter::parse(&(start.to_owned() + &"(".repeat(50_000))).is_err(),
            "{start}"
        );
        let groups = format!("({start}").repeat(5_000);
        assert!(Filter::parse(&groups).is_err(), "{start}");
        assert!(PatchPath::parse(&format!("emails[{groups}")).is_err(), "{start}");
    }
    // Many parentheses and brackets, few of them nested.
    let flat = vec![r#"(a[b eq "(("] or not(c pr))"#; 500].join(" and ");
    assert!(Filter::parse(&flat).is_ok());
}

#[test]
fn quotes_in_bare_words_hide_no_depth() {
    let options = Options {
        bare_words: true,
        ..Options::default()
    };
    let starts = [
        "a eq o'b and ",
        "a eq o'b'c and ",
        "a eq 5'x and ",
        "a eq true'x and ",
        "a eq x\\'y and ",
        "a eq eqs'x and ",
        "a eq'x' and ",
        "a eq 'x' and b eq o'c or ",
        // The grammar refuses these words.
        "a eq eq'x and ",
        "a eq EQ' and ",
        "a eq x' and ",
    ];
    for start in starts {
        for count in [500, 50_000] {
            let groups = format!("({start}").repeat(count) + "b pr" + &")".repeat(count);
            assert!(Filter::parse_with(&groups, &options).is_err(), "{start}");
            let path = format!("emails[{groups}]");
            assert!(PatchPath::parse_with(&path, &options).is_err(), "{start}");
        }
    }
    // Parentheses in strings do not count, even after a word with a quote.
    let flat = format!("a eq o'b and b eq '{0}' and c eq \"{0}\"", "(".repeat(500));
    assert!(Filter::parse_with(&flat, &options).is_ok());
}

#[test]
fn each_limit_is_inclusive() {
    let default = Options::default();
    assert_eq!(
        (
            default.max_length,
            default.max_depth,
            default.max_terms,
            default.bare_words
        ),
        (131_072, 128, 5_000, false)
    );
    assert_eq!(
        Options::strict(),
        Options {
            mode: scim_filter::Mode::Strict,
            ..Options::default()
        }
    );
    assert_eq!(Options::DEPTH_CEILING, 200);
    let options = Options {
        max_length: 12,
        max_depth: 1,
        max_terms: 2,
        ..Options::default()
    };
    let parse = |text: &str| Filter::parse_with(text, &options);
    assert!(parse("a pr or b pr").is_ok());
    let error = parse("a pr or b  pr").unwrap_err();
    assert_eq!((error.offset(), error.column(), error.found()), (0, 1, ""));
    assert_eq!(error.expected(), "a shorter or simpler text");
    assert!(error.is_limit() && error.hint().is_none());
    assert!(parse("(a pr)").is_ok());
    assert!(parse("a[b pr]").is_ok());
    assert_eq!(parse("((a pr))").unwrap_err().offset(), 1);
    assert_eq!(parse("(a[b pr])").unwrap_err().offset(), 2);
    assert!(parse("a eq '(['").is_ok(), "parentheses in a string do not nest");
    assert!(
        parse("(a)or(b)").is_err_and(|it| !it.is_limit()),
        "they do not nest"
    );
    assert!(!Filter::parse("a xx").unwrap_err().is_limit());

    let terms = Options {
        max_terms: 2,
        ..Options::default()
    };
    let parse = |text: &str| Filter::parse_with(text, &terms);
    assert!(parse("a[b pr].c eq 1").is_ok());
    let error = parse("a[b pr or c pr].d eq 1").unwrap_err();
    assert_eq!((error.offset(), error.column(), error.is_limit()), (17, 18, true));
    let path = PatchPath::parse_with("a[b pr or c pr or d pr]", &terms).unwrap_err();
    assert!(path.is_limit());
    let length = Options {
        max_length: 2,
        ..Options::default()
    };
    assert!(AttrPath::parse_with("ab", &length).is_ok());
    assert!(AttrPath::parse_with("abc", &length).is_err_and(|it| it.is_limit()));
    assert!(PatchPath::parse_with("abc", &length).is_err_and(|it| it.is_limit()));
}

#[test]
fn no_option_raises_the_ceiling() {
    let options = Options {
        max_depth: usize::MAX,
        ..Options::default()
    };
    let nested = |depth: usize| "(".repeat(depth) + "a pr" + &")".repeat(depth);
    assert!(Filter::parse_with(&nested(200), &options).is_ok());
    let error = Filter::parse_with(&nested(201), &options).unwrap_err();
    assert_eq!(error.to_string(), "nested deeper than 200 levels at column 201");
    assert!(Filter::parse(&nested(128)).is_ok());
    assert!(Filter::parse(&nested(129)).is_err_and(|it| it.is_limit()));
}
