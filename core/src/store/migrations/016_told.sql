-- Most acknowledgements are told to those alone who hold the letter; only these to everybody. Each
-- meeting reads the ids of both: from indexes alone.
ALTER TABLE tombstones ADD COLUMN is_told INTEGER NOT NULL DEFAULT 0;
UPDATE tombstones SET is_told = 1 WHERE body IS NULL AND proof IS NOT NULL;
DROP INDEX tombstones_acknowledged;
CREATE INDEX tombstones_told ON tombstones (id) WHERE is_told = 1;
CREATE INDEX tombstones_kept ON tombstones (id) WHERE is_told = 0 AND body IS NULL AND proof IS NOT NULL;
