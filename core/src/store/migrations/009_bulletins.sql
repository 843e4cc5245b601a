-- Bulletins: signed words for everybody. Their envelopes have standing 3.

-- Whom the user follows or mutes.
CREATE TABLE publishers (
    identity BLOB    PRIMARY KEY,
    stance   INTEGER NOT NULL             -- 1 followed, 2 muted
) WITHOUT ROWID;

-- The newest of each thread. Once its envelope is gone it still keeps older ones out.
CREATE TABLE bulletins (
    publisher     BLOB    NOT NULL,
    thread        INTEGER NOT NULL,
    issue         INTEGER NOT NULL,       -- its number
    kind          INTEGER NOT NULL,       -- as the priority in its header
    envelope      INTEGER REFERENCES envelopes (row) ON DELETE SET NULL,
    forget_steady INTEGER NOT NULL,
    PRIMARY KEY (publisher, thread)
);
CREATE INDEX bulletins_envelope ON bulletins (envelope);
CREATE INDEX bulletins_forget ON bulletins (forget_steady);

-- Own ones that wait for a postmark.
CREATE TABLE unpublished (
    issue      INTEGER PRIMARY KEY,
    kind       INTEGER NOT NULL,
    lifetime_s INTEGER NOT NULL,
    said       BLOB    NOT NULL
);
ALTER TABLE own ADD COLUMN last_bulletin INTEGER NOT NULL DEFAULT 0;
