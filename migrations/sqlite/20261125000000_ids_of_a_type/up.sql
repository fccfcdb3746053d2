-- The resources of one type in the order of their ids. `resource_id` contains all types together.
CREATE UNIQUE INDEX resource_kind_id ON resource (tenant_id, kind, id);
