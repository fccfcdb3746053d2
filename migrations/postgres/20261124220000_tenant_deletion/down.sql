-- What is left of a tenant that was being deleted becomes one again, without tokens, as `NAME#NUMBER`.
ALTER TABLE tenant DROP COLUMN deleted;
