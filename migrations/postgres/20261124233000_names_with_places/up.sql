-- Like every other index for sorted lists, this one contains `pk`: a page sorted by `userName` then skips entries of the
-- index instead of rows.
CREATE UNIQUE INDEX resource_unique_place ON resource (tenant_id, kind, unique_key) INCLUDE (pk);
DROP INDEX resource_unique;
ALTER INDEX resource_unique_place RENAME TO resource_unique;
