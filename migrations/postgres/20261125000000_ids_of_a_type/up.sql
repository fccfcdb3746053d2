-- One type in the order of ids, which `resource_id` has of all types together.
CREATE UNIQUE INDEX resource_kind_id ON resource (tenant_id, kind, id) INCLUDE (pk);
