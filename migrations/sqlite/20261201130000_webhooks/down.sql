DROP TABLE webhook_worker;
DROP TABLE webhook_delivery;
DROP TABLE webhook_message;
DROP TABLE webhook_secret;
DROP TABLE webhook_endpoint;
