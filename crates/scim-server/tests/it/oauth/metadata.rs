//! The metadata of the authorization server, and the schemes in the ServiceProviderConfig.

use serde_json::{Value, json};

use super::TOKEN;
use crate::harness::{Choice, Server};

const METADATA: &str = "//.well-known/oauth-authorization-server";

/// cred-92, cred-93, cred-94, cred-95, cred-96
#[test]
fn cred_93_the_metadata_describe_the_token_endpoint() {
    let server = Server::start();
    let reply = server.stranger(None).get(METADATA).expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(
        reply.json(),
        json!({
            "issuer": "https://scim.example.com",
            "token_endpoint": "https://scim.example.com/oauth2/token",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
            "scopes_supported": ["scim", "scim.read"],
        })
    );
    server.stranger(None).request("POST", METADATA).send().expect(405);
}

/// cred-97
#[test]
fn cred_97_the_service_provider_config_lists_both_schemes() {
    let server = Server::start();
    let config = server
        .stranger(None)
        .get("/ServiceProviderConfig")
        .expect(200)
        .json();
    let types: Vec<&Value> = config["authenticationSchemes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["type"])
        .collect();
    assert_eq!(types, ["oauthbearertoken", "oauth2"]);
    assert_eq!(config.get("documentationUri"), None);
    let mut choice = Choice::default();
    choice.settings.documentation_uri = Some("https://example.com/set-up".into());
    let config = Server::start_with(choice)
        .stranger(None)
        .get("/ServiceProviderConfig")
        .json();
    assert_eq!(config["documentationUri"], "https://example.com/set-up");
}

/// cred-98
#[test]
fn cred_98_browsers_of_other_origins_get_no_permission() {
    let server = Server::start();
    for path in [TOKEN, METADATA] {
        for method in ["OPTIONS", "GET", "POST"] {
            let request = server.stranger(None).request(method, path);
            let request = request
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "POST");
            let reply = request.send();
            for name in [
                "access-control-allow-origin",
                "access-control-allow-methods",
                "access-control-allow-headers",
            ] {
                assert_eq!(reply.header(name), None, "{method} {path}");
            }
        }
    }
}
