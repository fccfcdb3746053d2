ALTER TABLE changes DROP COLUMN command_user, DROP COLUMN request_id, DROP COLUMN credential_id,
  DROP COLUMN connection_id, DROP COLUMN actor;
