UPDATE resource SET label = document ->> 'userName' WHERE label IS NULL;
