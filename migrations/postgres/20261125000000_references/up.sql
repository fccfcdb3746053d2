-- What a reference to a resource shows: the members of a large group, whose rows are all over the table, are
-- read from here alone.
CREATE UNIQUE INDEX resource_reference ON resource (tenant_id, pk) INCLUDE (id, kind, label);
