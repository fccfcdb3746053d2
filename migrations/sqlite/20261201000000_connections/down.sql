DROP TRIGGER token_connection;
DROP INDEX token_connection;
ALTER TABLE token DROP COLUMN last_used;
ALTER TABLE token DROP COLUMN last_four;
ALTER TABLE token DROP COLUMN name;
ALTER TABLE token DROP COLUMN connection_id;
DROP TRIGGER tenant_connection;
DROP TABLE connection;
