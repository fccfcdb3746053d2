CREATE UNIQUE INDEX resource_unique_alone ON resource (tenant_id, kind, unique_key);
DROP INDEX resource_unique;
ALTER INDEX resource_unique_alone RENAME TO resource_unique;
