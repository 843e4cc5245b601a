-- Bodies too large for one envelope.

-- Fragments: mark of the body and hash of its postmark; and which fragment it is.
ALTER TABLE envelopes ADD COLUMN body BLOB;
ALTER TABLE envelopes ADD COLUMN number INTEGER;
CREATE UNIQUE INDEX envelopes_fragments ON envelopes (body, number) WHERE body IS NOT NULL;

-- Of acknowledged fragments the proof is their 16-byte secret; of a body's end its release.
ALTER TABLE tombstones ADD COLUMN body BLOB;
ALTER TABLE tombstones ADD COLUMN number INTEGER;
CREATE UNIQUE INDEX tombstones_fragments ON tombstones (body, number) WHERE body IS NOT NULL;

-- What messages with an attachment need until it has arrived whole.
CREATE TABLE attachments (
    message        INTEGER PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    mark           BLOB    NOT NULL UNIQUE,
    secret         BLOB,                        -- none once it has served its time
    size_bytes     INTEGER NOT NULL,
    symbol_bytes   INTEGER NOT NULL,
    priority       INTEGER NOT NULL,            -- of an own one's fragments
    arrived        INTEGER NOT NULL DEFAULT 0,  -- fragments: acknowledged of an own one, else opened
    blocks_left    INTEGER NOT NULL,            -- not put together yet
    sealed         INTEGER NOT NULL DEFAULT 0,  -- own: fragments that are
    is_sealed      INTEGER NOT NULL,            -- own: whether that is all
    release        BLOB,                        -- received, whole: what ends it everywhere
    release_steady INTEGER,                     -- and when that may show
    ends_steady    INTEGER                      -- received: when it is given up
);
CREATE INDEX attachments_release ON attachments (release_steady) WHERE release_steady IS NOT NULL;
CREATE INDEX attachments_end ON attachments (ends_steady) WHERE ends_steady IS NOT NULL;

-- Received symbols that wait for the rest of their block.
CREATE TABLE attachment_symbols (
    message INTEGER NOT NULL REFERENCES attachments (message) ON DELETE CASCADE,
    block   INTEGER NOT NULL,
    symbol  INTEGER NOT NULL,
    bytes   BLOB    NOT NULL,
    PRIMARY KEY (message, block, symbol)
) WITHOUT ROWID;

-- Received blocks, and those of own attachments until they have arrived: fragments are made from them.
CREATE TABLE attachment_blocks (
    message INTEGER NOT NULL REFERENCES attachments (message) ON DELETE CASCADE,
    block   INTEGER NOT NULL,
    bytes   BLOB    NOT NULL,
    PRIMARY KEY (message, block)
);

-- Expired fragments, which leave no tombstones, stay charged.
ALTER TABLE postmarks ADD COLUMN spent INTEGER NOT NULL DEFAULT 0;

-- A body's secret that goes makes the wrapping stale, as a target's does.
CREATE TRIGGER attachment_secret_destroyed AFTER UPDATE OF secret ON attachments
    WHEN OLD.secret IS NOT NULL AND NEW.secret IS NULL
    BEGIN UPDATE wrapping SET is_stale = 1 WHERE number > 0 AND NOT is_stale; END;
CREATE TRIGGER attachment_deleted AFTER DELETE ON attachments WHEN OLD.secret IS NOT NULL
    BEGIN UPDATE wrapping SET is_stale = 1 WHERE number > 0 AND NOT is_stale; END;

-- Reconciliations read the ids of all letters: from here alone.
CREATE INDEX envelopes_letters ON envelopes (id) WHERE body IS NULL;

-- The bytes stand apart, so that whoever weighs or counts envelopes does not read them.
CREATE TABLE contents (
    envelope INTEGER PRIMARY KEY REFERENCES envelopes (row) ON DELETE CASCADE,
    bytes    BLOB    NOT NULL
);
INSERT INTO contents SELECT row, bytes FROM envelopes;
ALTER TABLE envelopes DROP COLUMN bytes;

-- How often each copy was halved, and when this node got it.
ALTER TABLE envelopes ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE envelopes ADD COLUMN taken_steady INTEGER NOT NULL DEFAULT 0;
DROP INDEX envelopes_eviction;
CREATE INDEX envelopes_foreign ON envelopes (row) WHERE standing = 0;

-- Whom this node meets: contacts (0 and the number) and keys of links (1 and the key).
CREATE TABLE neighbours (
    id         BLOB    PRIMARY KEY,
    met_steady INTEGER NOT NULL,  -- last
    meetings   INTEGER NOT NULL,
    brought    INTEGER NOT NULL   -- mail that was first heard of from them
) WITHOUT ROWID;
-- The ages at which acknowledgements came by, summed up, and how many.
CREATE TABLE ack_ages (sum_ms REAL NOT NULL, count REAL NOT NULL);
INSERT INTO ack_ages VALUES (0, 0);
