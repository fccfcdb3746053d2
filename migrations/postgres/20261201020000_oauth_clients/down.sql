DROP TABLE used_assertion;
DROP TABLE access_token;
DROP TABLE oauth_secret;
DROP TABLE oauth_client;
