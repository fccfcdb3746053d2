-- The originator of a change. All columns are NULL in the entries of earlier versions, whose originator is unknown.
-- `actor` is the kind; `credential_id` is the credential of a connection, or the key of an operator.
ALTER TABLE changes ADD COLUMN actor TEXT;
ALTER TABLE changes ADD COLUMN connection_id BLOB;
ALTER TABLE changes ADD COLUMN credential_id BLOB;
ALTER TABLE changes ADD COLUMN request_id TEXT;
ALTER TABLE changes ADD COLUMN command_user TEXT;
