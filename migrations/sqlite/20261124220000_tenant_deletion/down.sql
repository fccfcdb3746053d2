-- A tenant whose deletion was not complete reappears as `NAME#NUMBER` with its remaining resources and no tokens.
ALTER TABLE tenant DROP COLUMN deleted;
