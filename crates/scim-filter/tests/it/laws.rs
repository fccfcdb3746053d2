//! Laws for every text and every tree, which the property tests and the fuzz targets check.
#![allow(dead_code)] // Each fuzz target needs one of them.

use scim_filter::{
    AttrExp, AttrPath, CompValue, CompareOp, Filter, Options, ParseError, PatchPath, ValFilter, ValuePath,
};

/// Any text is a filter or an error in each mode. A text that is valid in strict mode means the same in lenient mode,
/// and every filter prints a text that parses to the same filter.
pub(crate) fn filter_text(text: &str) {
    let bare = Options {
        bare_words: true,
        ..Options::default()
    };
    let strict = Filter::parse_with(text, &Options::strict());
    let lenient = Filter::parse_with(text, &Options::default());
    let barely = Filter::parse_with(text, &bare);
    match (&strict, &lenient) {
        (Ok(strict), Ok(lenient)) => {
            assert_eq!(strict.value, lenient.value, "{text:?}");
            assert!(
                strict.leniencies.is_empty() && lenient.leniencies.is_empty(),
                "{text:?}"
            );
        }
        (Ok(_), Err(error)) => panic!("only strictly valid: {text:?}: {error}"),
        (Err(strict), Ok(lenient)) => {
            // A limit is exceeded in both modes or in neither.
            assert!(!strict.is_limit(), "{text:?}");
            assert!(!lenient.leniencies.is_empty(), "{text:?}");
        }
        (Err(_), Err(_)) => {}
    }
    if let Ok(lenient) = &lenient {
        assert_eq!(barely.as_ref(), Ok(lenient), "{text:?}");
    }
    for outcome in [strict, lenient, barely] {
        match outcome {
            Ok(parsed) => {
                let canonical = parsed.value.to_string();
                assert_eq!(Filter::parse(&canonical).as_ref(), Ok(&parsed.value), "{text:?}");
                for pair in parsed.leniencies.windows(2) {
                    assert!(pair[0].offset <= pair[1].offset, "{text:?}");
                }
            }
            Err(error) => check_message(text, &error),
        }
    }
}

/// Like [`filter_text`], for PATCH paths and attribute paths.
pub(crate) fn path_text(text: &str) {
    let bare = Options {
        bare_words: true,
        ..Options::default()
    };
    for options in [Options::strict(), Options::default(), bare] {
        match PatchPath::parse_with(text, &options) {
            Ok(path) => assert_eq!(
                PatchPath::parse(&path.value.to_string()),
                Ok(path.value),
                "{text:?}"
            ),
            Err(error) => check_message(text, &error),
        }
        match AttrPath::parse_with(text, &options) {
            Ok(path) => {
                assert_eq!(
                    AttrPath::parse(&path.value.to_string()).as_ref(),
                    Ok(&path.value),
                    "{text:?}"
                );
                // Every attribute path is a PATCH path.
                let patch = PatchPath::parse_with(text, &options).map(|it| it.value);
                assert_eq!(patch, Ok(PatchPath::Attr(path.value)), "{text:?}");
            }
            Err(error) => check_message(text, &error),
        }
    }
}

/// The message is one line, and explains the error instead of falling back to a general one.
fn check_message(text: &str, error: &ParseError) {
    assert!(text.is_char_boundary(error.offset()), "{text:?}");
    assert_eq!(
        error.column(),
        text[..error.offset()].chars().count() + 1,
        "{text:?}"
    );
    let line = error.to_string();
    assert!(
        !line.contains(['\n', '\r']) && line.len() < 400,
        "{text:?}: {line}"
    );
    assert_ne!(
        error.expected(),
        "a filter or path of RFC 7644",
        "{text:?}: {error}"
    );
}

/// A tree that the bytes describe is parsed again from its printed text, and prints the same text.
pub(crate) fn print_parse(bytes: &[u8]) {
    let mut builder = Builder { bytes };
    let filter = builder.filter(5);
    let text = filter.to_string();
    assert_eq!(Filter::parse(&text).as_ref(), Ok(&filter), "{text:?}");
    assert_eq!(Filter::parse(&text).map(|it| it.to_string()), Ok(text));
    let value_path = ValuePath {
        path: builder.attr_path(),
        filter: builder.val_filter(4),
    };
    let path = PatchPath::Value {
        value_path,
        sub: builder.attr_path().sub().map(str::to_owned),
    };
    assert_eq!(PatchPath::parse(&path.to_string()), Ok(path));
}

/// Builds trees from bytes: each byte is a choice, and without further bytes the simplest alternative is chosen.
struct Builder<'b> {
    bytes: &'b [u8],
}

impl Builder<'_> {
    fn choice(&mut self, of: usize) -> usize {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        usize::from(*first) % of
    }

    fn filter(&mut self, depth: usize) -> Filter {
        match self.choice(if depth == 0 { 2 } else { 5 }) {
            0 => Filter::Attr(self.attr_exp()),
            1 => Filter::ValuePath(ValuePath {
                path: self.attr_path(),
                filter: self.val_filter(depth),
            }),
            2 => Filter::and((0..=self.choice(4)).map(|_| self.filter(depth - 1)).collect()),
            3 => Filter::or((0..=self.choice(4)).map(|_| self.filter(depth - 1)).collect()),
            _ => Filter::Not(Box::new(self.filter(depth - 1))),
        }
    }

    fn val_filter(&mut self, depth: usize) -> ValFilter {
        match self.choice(if depth == 0 { 1 } else { 4 }) {
            0 => ValFilter::Attr(self.attr_exp()),
            1 => ValFilter::and((0..=self.choice(4)).map(|_| self.val_filter(depth - 1)).collect()),
            2 => ValFilter::or((0..=self.choice(4)).map(|_| self.val_filter(depth - 1)).collect()),
            _ => ValFilter::Not(Box::new(self.val_filter(depth - 1))),
        }
    }

    fn attr_exp(&mut self) -> AttrExp {
        let path = self.attr_path();
        if self.choice(4) == 0 {
            return AttrExp::Present(path);
        }
        let op = CompareOp::ALL[self.choice(CompareOp::ALL.len())];
        AttrExp::Compare(path, op, self.comp_value())
    }

    fn comp_value(&mut self) -> CompValue {
        match self.choice(4) {
            0 => CompValue::String(self.string()),
            1 => CompValue::Bool(self.choice(2) == 1),
            2 => CompValue::Null,
            _ => {
                let texts = ["0", "-1", "1.50", "1e400", "-0.0E-7", "12345678901234567890"];
                CompValue::Number(
                    texts[self.choice(texts.len())]
                        .parse()
                        .expect("these are numbers"),
                )
            }
        }
    }

    fn string(&mut self) -> String {
        let length = self.choice(24).min(self.bytes.len());
        let (text, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn attr_path(&mut self) -> AttrPath {
        const NAMES: [&str; 8] = ["userName", "not", "and", "pr", "a-b_9", "$ref", "true", "x$y"];
        const URNS: [&str; 4] = ["urn:a", "urn:x-y:1.0:B.c", "http://x/y?z#1", "a.b+c:d%20"];
        let name = NAMES[self.choice(NAMES.len())];
        let sub = (self.choice(3) == 1).then(|| NAMES[self.choice(NAMES.len())]);
        let urn = (self.choice(4) == 1).then(|| URNS[self.choice(URNS.len())]);
        AttrPath::of(urn, name, sub)
    }
}
