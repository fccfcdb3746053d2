DROP TABLE signing_key;
DROP TABLE refused_set;
DROP TABLE finished_set;
DROP TABLE set_stream_last_event;
DROP TABLE set_stream_event;
DROP TABLE set_stream;
