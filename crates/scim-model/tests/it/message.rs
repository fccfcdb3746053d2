//! ListResponse, SearchRequest, PatchOp and the Error body.

use scim_model::internal::{
    Body, ListResponse, Op, RawOperation, SearchRequest, SortOrder, error_body, patch_operations,
    saturating_integer,
};
use scim_model::{ErrorKind, Policy, ScimError, ScimType, Tolerances};
use serde_json::{Value, json};

const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const LENIENT: Policy = Policy { lenient: true };
const STRICT: Policy = Policy { lenient: false };

#[test]
fn an_error_reads_as_its_detail() {
    let error = ScimError::new(ScimType::InvalidValue, "`userName` is required");
    assert_eq!(error.to_string(), "`userName` is required");
}

#[test]
fn a_list_has_its_numbers_first() {
    let write = |body: &mut Body, it: &str| -> Result<(), ()> {
        body.text().push_str(it);
        Ok(())
    };
    let list = ListResponse {
        total_results: 0,
        start_index: Some(1),
        ..ListResponse::default()
    };
    let start = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"#;
    let empty = list.to_json(std::iter::empty(), write).unwrap();
    assert_eq!(
        empty.into_text(),
        format!(r#"{start}"totalResults":0,"itemsPerPage":0,"startIndex":1,"Resources":[]}}"#)
    );
    let list = ListResponse {
        total_results: 9,
        start_index: None,
        next_cursor: Some("n\""),
        previous_cursor: Some("p"),
    };
    let page = list.to_json(["{}", "{}"].into_iter(), write).unwrap();
    let expected = format!(
        r#"{start}"totalResults":9,"itemsPerPage":2,"nextCursor":"n\"","previousCursor":"p","Resources":[{{}},{{}}]}}"#
    );
    assert_eq!(page.into_text(), expected);
    assert_eq!(list.to_json(["x"].into_iter(), |_, _| Err(5)).unwrap_err(), 5);
}

#[test]
fn r7644_3_4_3_a_search_request_has_the_parameters_of_a_query() {
    let body = json!({"schemas": [SEARCH], "Attributes": ["userName", "name"], "excludedAttributes": null,
        "filter": "userName pr", "sortBy": "userName", "sortOrder": "DESCENDING", "startIndex": 1, "count": -5,
        "cursor": "", "other": 1});
    let expected = SearchRequest {
        attributes: Some(vec!["userName".to_owned(), "name".to_owned()]),
        filter: Some("userName pr".to_owned()),
        sort_by: Some("userName".to_owned()),
        sort_order: Some(SortOrder::Descending),
        start_index: Some(1),
        count: Some(-5),
        cursor: Some(String::new()),
        ..SearchRequest::default()
    };
    assert_eq!(
        SearchRequest::parse(&body, &Tolerances::new(STRICT)).unwrap(),
        expected
    );
    let huge: Value = serde_json::from_str(&format!(
        r#"{{"schemas":["{SEARCH}"],"count":99999999999999999999}}"#
    ))
    .unwrap();
    assert_eq!(
        SearchRequest::parse(&huge, &Tolerances::new(STRICT))
            .unwrap()
            .count,
        Some(i64::MAX)
    );
}

#[test]
fn r7644_3_4_3_wrong_types_are_refused() {
    let cases = [
        (json!([]), "invalidSyntax"),
        (json!({}), "invalidSyntax"),
        (json!({"schemas": [PATCH]}), "invalidSyntax"),
        (json!({"schemas": SEARCH}), "invalidSyntax"),
        (
            json!({"schemas": [SEARCH], "attributes": "userName,name"}),
            "invalidSyntax",
        ),
        (
            json!({"schemas": [SEARCH], "excludedAttributes": [5]}),
            "invalidSyntax",
        ),
        (json!({"schemas": [SEARCH], "filter": 5}), "invalidFilter"),
        (json!({"schemas": [SEARCH], "sortBy": []}), "invalidValue"),
        (json!({"schemas": [SEARCH], "sortOrder": "up"}), "invalidValue"),
        (json!({"schemas": [SEARCH], "startIndex": "1"}), "invalidValue"),
        (json!({"schemas": [SEARCH], "count": 1.5}), "invalidValue"),
        (json!({"schemas": [SEARCH], "count": true}), "invalidValue"),
        (json!({"schemas": [SEARCH], "cursor": 5}), "invalidCursor"),
    ];
    for (body, keyword) in cases {
        let error = SearchRequest::parse(&body, &Tolerances::new(STRICT)).unwrap_err();
        assert_eq!(error.scim_type().unwrap().as_str(), keyword, "{body}");
    }
}

/// A-01, A-32
#[test]
fn a_lenient_policy_reads_search_requests_of_clients() {
    let names = |names: &[&str]| Some(names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    for (body, tolerance) in [
        (json!({"attributes": ["userName"]}), "missing_schemas"),
        (
            json!({"schemas": [], "attributes": ["userName"]}),
            "empty_schemas",
        ),
        (
            json!({"schemas": null, "attributes": ["userName"]}),
            "empty_schemas",
        ),
        (
            json!({"schemas": [SEARCH], "attributes": "userName"}),
            "names_in_text",
        ),
    ] {
        let tolerances = Tolerances::new(LENIENT);
        let request = SearchRequest::parse(&body, &tolerances).unwrap();
        assert_eq!(request.attributes, names(&["userName"]), "{body}");
        let needed: Vec<_> = tolerances.take().iter().map(|it| it.name()).collect();
        assert_eq!(needed, [tolerance], "{body}");
        assert!(
            SearchRequest::parse(&body, &Tolerances::new(STRICT)).is_err(),
            "{body}"
        );
    }
    let body = json!({"schemas": [SEARCH], "excludedAttributes": "name.familyName, emails"});
    let request = SearchRequest::parse(&body, &Tolerances::new(LENIENT)).unwrap();
    assert_eq!(request.excluded_attributes, names(&["name.familyName", "emails"]));
    for schemas in [json!([PATCH]), json!(SEARCH), json!({})] {
        let body = json!({"schemas": schemas});
        assert!(
            SearchRequest::parse(&body, &Tolerances::new(LENIENT)).is_err(),
            "{body}"
        );
    }
}

#[test]
fn integers_of_any_length_are_integers() {
    for (text, expected) in [
        ("5", Some(5)),
        ("-5", Some(-5)),
        ("+5", Some(5)),
        ("007", Some(7)),
        ("99999999999999999999", Some(i64::MAX)),
        ("-99999999999999999999", Some(i64::MIN)),
        ("", None),
        ("-", None),
        ("1.0", None),
        ("1e3", None),
        ("x", None),
        (" 1", None),
    ] {
        assert_eq!(saturating_integer(text), expected, "{text}");
    }
}

#[test]
fn r7644_3_5_2_operations_are_read_in_any_case() {
    let body = json!({"SCHEMAS": [PATCH.to_uppercase()], "operations": [
        {"OP": "Add", "Path": "title", "VALUE": "x", "name": "addMember"}, {"op": "REMOVE", "path": "title"},
        {"op": "replace", "path": null, "value": null}]});
    let operation = |op, path: Option<&str>, value| RawOperation {
        op,
        path: path.map(str::to_owned),
        value,
    };
    let expected = [
        operation(Op::Add, Some("title"), Some(json!("x"))),
        operation(Op::Remove, Some("title"), None),
        operation(Op::Replace, None, Some(json!(null))),
    ];
    assert_eq!(
        patch_operations(body, &Tolerances::new(STRICT)).unwrap(),
        expected
    );
}

#[test]
fn a_77_malformed_patches_are_refused() {
    let one = json!([{"op": "remove", "path": "title"}]);
    let message = |operations: Value| json!({"schemas": [PATCH], "Operations": operations});
    let cases = [
        (json!([]), "invalidSyntax"),
        (json!({"schemas": [PATCH, 5]}), "invalidSyntax"),
        (json!({"schemas": [5], "Operations": one}), "invalidSyntax"),
        (json!({"schemas": {}, "Operations": one}), "invalidSyntax"),
        (json!({"schemas": PATCH, "Operations": one}), "invalidSyntax"),
        (json!({"schemas": [PATCH]}), "invalidSyntax"),
        (message(json!(null)), "invalidSyntax"),
        (message(json!({"op": "remove", "path": "title"})), "invalidSyntax"),
        (message(json!(["x"])), "invalidSyntax"),
        (message(json!([{"path": "title"}])), "invalidSyntax"),
        (message(json!([{"op": 5}])), "invalidSyntax"),
        (message(json!([{"op": "move", "path": "title"}])), "invalidSyntax"),
        (message(json!([{"op": "remove", "path": 5}])), "invalidPath"),
    ];
    for (body, keyword) in cases {
        let error = patch_operations(body.clone(), &Tolerances::new(LENIENT)).unwrap_err();
        assert_eq!(error.scim_type().unwrap().as_str(), keyword, "{body}");
    }
    let tolerated = [
        (json!({"Operations": one}), "missing_schemas"),
        (json!({"schemas": [], "Operations": one}), "empty_schemas"),
        (json!({"schemas": null, "Operations": one}), "empty_schemas"),
        (
            json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "Operations": one}),
            "other_schemas",
        ),
        (
            json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:PatchOp"], "Operations": one}),
            "other_schemas",
        ),
        (
            json!({"schemas": ["nothing"], "Operations": one}),
            "other_schemas",
        ),
        (message(json!([])), "empty_operations"),
    ];
    for (body, tolerance) in tolerated {
        let tolerances = Tolerances::new(LENIENT);
        let read = patch_operations(body.clone(), &tolerances).unwrap();
        assert_eq!(read.len(), body["Operations"].as_array().unwrap().len(), "{body}");
        let needed: Vec<_> = tolerances.take().iter().map(|it| it.name()).collect();
        assert_eq!(needed, [tolerance], "{body}");
        let error = patch_operations(body.clone(), &Tolerances::new(STRICT)).unwrap_err();
        assert_eq!(error.scim_type(), Some(ScimType::InvalidSyntax), "{body}");
    }
    let many = |count| message(vec![json!({"op": "remove", "path": "title"}); count].into());
    assert_eq!(
        patch_operations(many(1000), &Tolerances::new(LENIENT))
            .unwrap()
            .len(),
        1000
    );
    assert_eq!(
        patch_operations(many(1001), &Tolerances::new(LENIENT))
            .unwrap_err()
            .kind,
        ErrorKind::TooLarge
    );
}

#[test]
fn r7644_3_12_an_error_has_its_status_as_a_string() {
    assert_eq!(
        error_body(400, Some(ScimType::InvalidPath), "`x` is no path"),
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "400",
        "scimType": "invalidPath", "detail": "`x` is no path"})
    );
    assert!(error_body(404, None, "x").get("scimType").is_none());
}
