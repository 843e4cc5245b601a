-- Postmarks: the own ones, and those of others with what is charged to each.

-- Own postmarks of today and tomorrow, minted or in the making.
CREATE TABLE own_postmarks (
    row        INTEGER PRIMARY KEY,
    day        INTEGER NOT NULL,            -- UTC, since 1970: the only one that it is good for
    seed       BLOB    NOT NULL,
    next_nonce BLOB    NOT NULL,            -- where the search goes on
    nonce      BLOB,                        -- none while it is in the making
    envelopes  INTEGER NOT NULL DEFAULT 0,  -- what it has signed
    bytes      INTEGER NOT NULL DEFAULT 0
);

-- Messages that wait for a postmark.
CREATE TABLE unsealed (
    message  INTEGER PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    priority INTEGER NOT NULL
);

-- Work that was checked: nobody pays for a second look.
CREATE TABLE postmarks (
    row     INTEGER PRIMARY KEY,
    proof   BLOB    NOT NULL UNIQUE,  -- the hash of key, day and nonce
    is_paid INTEGER NOT NULL
);

ALTER TABLE envelopes ADD COLUMN postmark INTEGER REFERENCES postmarks (row);
ALTER TABLE tombstones ADD COLUMN postmark INTEGER REFERENCES postmarks (row);
CREATE INDEX envelopes_postmark ON envelopes (postmark, size_bytes) WHERE postmark IS NOT NULL;
CREATE INDEX tombstones_postmark ON tombstones (postmark) WHERE postmark IS NOT NULL;
