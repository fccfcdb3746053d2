//! Filters and paths as strings in serde documents.

use scim_filter::{AttrPath, Filter, PatchPath};

#[test]
fn a_filter_is_a_string() {
    let filter: Filter = serde_json::from_str(r#""userName Eq \u0027x\u0027""#).unwrap();
    assert_eq!(serde_json::to_string(&filter).unwrap(), r#""userName eq \"x\"""#);
    let path: PatchPath = serde_json::from_value("emails[type eq \"work\"].value".into()).unwrap();
    assert_eq!(
        serde_json::to_value(&path).unwrap(),
        "emails[type eq \"work\"].value"
    );
    let path: AttrPath = serde_json::from_str(r#""name.familyName""#).unwrap();
    assert_eq!((path.name(), path.sub()), ("name", Some("familyName")));
    assert_eq!(serde_json::to_value(&path).unwrap(), "name.familyName");
}

#[test]
fn a_bad_filter_says_why() {
    let error = serde_json::from_str::<Filter>(r#""userName xx""#).unwrap_err();
    assert!(error.to_string().starts_with("expected an operator"), "{error}");
}
