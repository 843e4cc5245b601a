-- Each meeting reads the ids of all letters that have ended: from indexes alone.
DROP INDEX tombstones_letters;
CREATE INDEX tombstones_acknowledged ON tombstones (id) WHERE body IS NULL AND proof IS NOT NULL;
CREATE INDEX tombstones_expired ON tombstones (forget_steady, id) WHERE body IS NULL AND proof IS NULL;
