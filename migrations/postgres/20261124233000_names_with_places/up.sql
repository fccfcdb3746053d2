-- As every other index that lists are sorted by: a page by userName then skips entries of the index, not rows.
CREATE UNIQUE INDEX resource_unique_place ON resource (tenant_id, kind, unique_key) INCLUDE (pk);
DROP INDEX resource_unique;
ALTER INDEX resource_unique_place RENAME TO resource_unique;
