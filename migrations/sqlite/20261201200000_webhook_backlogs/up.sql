-- A message can represent the later ones of its resource, which are read from the journal when their turn comes.
ALTER TABLE webhook_message ADD COLUMN and_later BOOLEAN NOT NULL DEFAULT FALSE;
-- The messages of an endpoint that were given up, in pages.
CREATE INDEX webhook_message_given_up ON webhook_message (endpoint, since, message) WHERE dead;
