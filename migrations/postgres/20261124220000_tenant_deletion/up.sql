-- A tenant that is being deleted: hidden, its name free again, its rows going in batches.
ALTER TABLE tenant ADD COLUMN deleted BOOLEAN NOT NULL DEFAULT FALSE;
