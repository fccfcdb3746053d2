DROP TABLE set_attempt;
