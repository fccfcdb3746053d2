-- References show the `displayName` of a resource and nothing else. Earlier versions stored the `userName` here for
-- resources without one.
UPDATE resource SET label = NULL WHERE label IS NOT NULL AND coalesce(document::json ->> 'displayName', '') = '';
