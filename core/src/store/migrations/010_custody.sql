-- What neighbours were found to keep of what they were handed, and who brought what.

ALTER TABLE neighbours ADD COLUMN good REAL NOT NULL DEFAULT 0;
ALTER TABLE neighbours ADD COLUMN bad REAL NOT NULL DEFAULT 0;
ALTER TABLE neighbours ADD COLUMN judged_steady INTEGER NOT NULL DEFAULT 0;  -- decayed since

-- Of each neighbour the latest envelopes that it took: first 8 bytes of the id, minute of the last
-- proof (4 bytes, 0: none yet).
CREATE TABLE custody (neighbour BLOB PRIMARY KEY, handed BLOB NOT NULL) WITHOUT ROWID;

-- Of others' envelopes: whose share of the space they take (see Bringer).
ALTER TABLE envelopes ADD COLUMN bringer INTEGER NOT NULL DEFAULT 0;
