DROP INDEX resource_reference;
