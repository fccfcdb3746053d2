UPDATE resource SET label = document::json ->> 'userName' WHERE label IS NULL;
