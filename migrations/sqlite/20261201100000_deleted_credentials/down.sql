DROP TABLE deleted_credential;
DROP TABLE deleted_connection;
