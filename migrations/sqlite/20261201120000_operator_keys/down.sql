DROP TABLE operator_key_tenant;
DROP TABLE operator_key;
