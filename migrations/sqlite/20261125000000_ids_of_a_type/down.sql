DROP INDEX resource_kind_id;
