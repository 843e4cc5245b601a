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
    release        BLOB,                        -- received, whole: what ends it everywhere
    release_steady INTEGER,                     -- and when that may show
    ends_steady    INTEGER                      -- received: when it is given up
);
CREATE INDEX attachments_release ON attachments (release_steady) WHERE release_steady IS NOT NULL;
CREATE INDEX attachments_end ON attachments (ends_steady) WHERE ends_steady IS NOT NULL;

-- Own symbols that wait for a postmark; received ones that wait for the rest of their block.
CREATE TABLE attachment_symbols (
    message INTEGER NOT NULL REFERENCES attachments (message) ON DELETE CASCADE,
    block   INTEGER NOT NULL,
    symbol  INTEGER NOT NULL,
    bytes   BLOB    NOT NULL
);
-- Beside the bytes, so that counting and ordering read none of them.
CREATE UNIQUE INDEX attachment_symbols_places ON attachment_symbols (message, block, symbol);

-- Received blocks.
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

-- Reconciliations read the ids of all letters, dead and alive: past the fragments.
CREATE INDEX envelopes_letters ON envelopes (id) WHERE body IS NULL;
CREATE INDEX tombstones_letters ON tombstones (id) WHERE body IS NULL;
