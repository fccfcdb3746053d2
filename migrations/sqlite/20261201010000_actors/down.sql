ALTER TABLE changes DROP COLUMN command_user;
ALTER TABLE changes DROP COLUMN request_id;
ALTER TABLE changes DROP COLUMN credential_id;
ALTER TABLE changes DROP COLUMN connection_id;
ALTER TABLE changes DROP COLUMN actor;
