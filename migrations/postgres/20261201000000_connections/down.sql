DROP TRIGGER token_connection ON token;
DROP FUNCTION token_connection;
ALTER TABLE token DROP COLUMN last_used, DROP COLUMN last_four, DROP COLUMN name, DROP COLUMN connection_id;
DROP TRIGGER tenant_connection ON tenant;
DROP FUNCTION tenant_connection;
DROP FUNCTION add_default_connection;
DROP TABLE connection;
