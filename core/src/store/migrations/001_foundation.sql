-- Times named *_ms are wall-clock milliseconds; *_steady are the node's own running time
-- (see clock.rs), which no change of the wall clock moves.

CREATE TABLE own (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    identity_key   BLOB    NOT NULL,
    name           TEXT,
    wall_seen_ms   INTEGER NOT NULL,  -- the latest wall time that was written down
    steady_lead_ms INTEGER NOT NULL   -- steady time minus wall time
);

-- Every card issued, with the secret of its target, under the card's sequence number.
CREATE TABLE own_cards (
    sequence   INTEGER PRIMARY KEY,
    kem_secret BLOB    NOT NULL,
    card       BLOB    NOT NULL
);

CREATE TABLE contacts (
    id             INTEGER PRIMARY KEY,
    identity       BLOB    NOT NULL UNIQUE,
    name           TEXT    NOT NULL UNIQUE,
    card           BLOB    NOT NULL,
    verified       INTEGER NOT NULL DEFAULT 0,
    holds_sequence INTEGER NOT NULL DEFAULT -1  -- the newest own card that the contact has used
);

CREATE TABLE messages (
    id           INTEGER PRIMARY KEY,
    contact      INTEGER NOT NULL REFERENCES contacts (id),
    outgoing     INTEGER NOT NULL,
    uuid         BLOB    NOT NULL,
    kind         INTEGER NOT NULL,
    content      BLOB    NOT NULL,
    sent_ms      INTEGER NOT NULL,
    stored_ms    INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    delivered_ms INTEGER,
    UNIQUE (contact, outgoing, uuid)
);

-- What this node carries: its own mail, others' mail, and mail it has received whose
-- acknowledgement is not out yet.
CREATE TABLE envelopes (
    row             INTEGER PRIMARY KEY,
    id              BLOB    NOT NULL UNIQUE,
    commitment_head INTEGER NOT NULL,  -- the first 8 bytes, for acknowledgements
    standing        INTEGER NOT NULL,  -- 0 foreign, 1 own, 2 received
    priority        INTEGER NOT NULL,
    born_steady     INTEGER NOT NULL,  -- when its age was zero
    expires_steady  INTEGER NOT NULL,
    message         INTEGER REFERENCES messages (id),  -- own: what it carries
    recipient       INTEGER REFERENCES contacts (id),  -- own: for whom
    size_bytes      INTEGER NOT NULL,
    bytes           BLOB    NOT NULL
);
CREATE INDEX envelopes_commitment ON envelopes (commitment_head);
CREATE INDEX envelopes_expiry ON envelopes (expires_steady);
CREATE INDEX envelopes_eviction ON envelopes (priority, expires_steady) WHERE standing = 0;

-- Own envelopes that a neighbour has stored, once a neighbour key.
CREATE TABLE handovers (
    message   INTEGER NOT NULL REFERENCES messages (id),
    neighbour BLOB    NOT NULL,
    contact   INTEGER REFERENCES contacts (id),
    PRIMARY KEY (message, neighbour)
) WITHOUT ROWID;

-- Received mail whose acknowledgement waits for its moment.
CREATE TABLE pending_acks (
    envelope       INTEGER PRIMARY KEY REFERENCES envelopes (row) ON DELETE CASCADE,
    proof          BLOB    NOT NULL,
    release_steady INTEGER NOT NULL
);

-- Envelopes that are never taken again: acknowledged (with the proof, which is passed on) or
-- expired (without).
CREATE TABLE tombstones (
    row           INTEGER PRIMARY KEY,
    id            BLOB    NOT NULL UNIQUE,
    proof         BLOB,
    message       INTEGER REFERENCES messages (id),  -- own and expired: what it carried
    forget_steady INTEGER NOT NULL
);
CREATE INDEX tombstones_forget ON tombstones (forget_steady);
