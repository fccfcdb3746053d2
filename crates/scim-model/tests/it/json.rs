//! JSON text to values.

use scim_model::internal::{MAX_DEPTH, write_value};
use scim_model::json::parse;

fn refused(text: &str, part: &str) {
    let error = parse(text.as_bytes()).unwrap_err();
    assert_eq!(error.scim_type().unwrap().as_str(), "invalidSyntax", "{text}");
    assert!(error.detail.contains(part), "{text}: {}", error.detail);
}

#[test]
fn values_are_read_and_written_as_they_are() {
    for text in [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1.50",
        "1e+400",
        "123456789012345678901234567890.10",
        r#""""#,
        r#"{"a":[1,{"b":null},[]],"c":{}}"#,
        "\"é日𝒳\u{7f}\u{2028}\"",
        r#""\"\\\n\r\t\u0001""#,
        r#"{"$serde_json::private::Number":"1"}"#,
    ] {
        let value = parse(text.as_bytes()).unwrap();
        let mut written = String::new();
        write_value(&mut written, &value);
        assert_eq!(written, text);
    }
    assert_eq!(parse(b" \t\r\n[ 1 , 2 ] \n").unwrap().to_string(), "[1,2]");
    assert_eq!(parse(br#""\u00e9\ud835\udcb3\/\b\f""#).unwrap(), "é𝒳/\u{8}\u{c}");
    assert_eq!(parse(b"\xef\xbb\xbf{}").unwrap().to_string(), "{}");
}

#[test]
fn a_58_duplicate_names_are_refused_in_any_case() {
    refused(r#"{"userName":"a","userName":"b"}"#, "`userName` occurs twice");
    refused(r#"{"userName":"a","x":{"b":1,"B":2}}"#, "`x.B` occurs twice");
    // By the full path of the attribute.
    refused(
        r#"{"emails":[{"value":"a"},{"type":"a","Type":"b"}]}"#,
        "`emails[1].Type` occurs twice in one object at line 1 column 44",
    );
    refused(
        r#"{"urn:x:1.0:User":{"manager":{"value":"a","VALUE":"b"}}}"#,
        "`urn:x:1.0:User:manager.VALUE` occurs twice",
    );
    refused(
        r#"[[{"subAttributes":[{"a":[[{"b":1,"b":2}]]}]}]]"#,
        "`[0][0].subAttributes[0].a[0][0].b` occurs twice",
    );
    refused(r#"{"a":1,"\u0061":2}"#, "`a` occurs twice");
    let many: Vec<String> = (0..100).map(|it| format!("\"n{it}\":0")).collect();
    parse(format!("{{{}}}", many.join(",")).as_bytes()).unwrap();
    for at in [0, 10, 23, 24, 25, 99] {
        refused(
            &format!("{{{},\"N{at}\":0}}", many.join(",")),
            &format!("`N{at}` occurs twice"),
        );
    }
}

#[test]
fn malformed_json_is_refused_with_its_place() {
    refused("", "empty");
    refused("  ", "empty");
    refused("{\n  \"a\": x}", "expected a value at line 2 column 8");
    refused("{\"a\":1", "`,` or `}` at line 1 column 7");
    refused("{\"a\":1,}", "member name");
    refused("{a:1}", "member name");
    refused("[1,]", "a value");
    refused("[1 2]", "`,` or `]`");
    refused("{} {}", "the end");
    for text in [
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "NaN",
        "tru",
        "'a'",
        "\"a",
        "\"\n\"",
        r#""\x""#,
        r#""\u12""#,
        "[",
        "{\"a\"}",
    ] {
        refused(text, "not JSON");
    }
    let error = parse(b"{\"a\":\"\xff\"}").unwrap_err();
    assert!(error.detail.contains("not UTF-8 at byte 6"), "{}", error.detail);
}

#[test]
fn text_that_postgresql_cannot_store_is_refused() {
    refused(r#"{"a":"x\u0000"}"#, "U+0000");
    refused(r#""\ud800""#, "unpaired surrogate escape");
    refused(r#""\ud800\u0041""#, "unpaired surrogate escape");
    refused(r#""\udc00""#, "unpaired surrogate escape");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    parse(nested(MAX_DEPTH).as_bytes()).unwrap();
    refused(&nested(MAX_DEPTH + 1), "deeper than 64");
    refused(&"{\"a\":".repeat(500_000), "deeper than 64");
}
