-- The messages that are not stored are read again: their endpoints continue before them.
UPDATE webhook_endpoint SET revision = revision + 1, position = (
  SELECT m.message FROM webhook_message m
  WHERE m.endpoint = webhook_endpoint.id AND m.and_later
  ORDER BY CASE WHEN m.and_later THEN CAST(m.message AS INTEGER) END LIMIT 1
) WHERE EXISTS (
  SELECT 1 FROM webhook_message m
  WHERE m.endpoint = webhook_endpoint.id
    AND CASE WHEN m.and_later THEN CAST(m.message AS INTEGER) < CAST(webhook_endpoint.position AS INTEGER) ELSE FALSE END
);
DROP INDEX webhook_message_given_up;
ALTER TABLE webhook_message DROP COLUMN and_later;
