-- Marks a tenant that is being deleted. It is hidden, its name can be used again, and its rows are deleted in batches.
ALTER TABLE tenant ADD COLUMN deleted BOOLEAN NOT NULL DEFAULT FALSE;
