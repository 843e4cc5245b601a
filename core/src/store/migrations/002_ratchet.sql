-- The reply-key ratchet, and when secrets are destroyed.

-- Time that the node has spent running, in one process after another: what destroys secrets goes by
-- it, so that no jump of a clock does.
ALTER TABLE own ADD COLUMN running_ms INTEGER NOT NULL DEFAULT 0;

-- Targets that this node gave to one contact each, inside sealed messages.
CREATE TABLE reply_targets (
    contact         INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    counter         INTEGER NOT NULL,
    target          BLOB    NOT NULL,
    kem_secret      BLOB    NOT NULL,
    is_post_quantum INTEGER NOT NULL,            -- its seed was only ever sent post-quantum
    received        INTEGER NOT NULL DEFAULT 0,  -- envelopes opened with it
    issued_steady   INTEGER NOT NULL,
    due_steady      INTEGER NOT NULL,            -- when its secret has served its time
    noticed_running INTEGER,                     -- the running time at which that was noticed
    PRIMARY KEY (contact, counter)
) WITHOUT ROWID;

ALTER TABLE own_cards ADD COLUMN due_steady INTEGER NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE own_cards ADD COLUMN noticed_running INTEGER;

-- The newest target that the contact gave, and what was sealed to it and to the one before.
ALTER TABLE contacts ADD COLUMN reply_target BLOB;
ALTER TABLE contacts ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN previous_counter INTEGER;
ALTER TABLE contacts ADD COLUMN previous_sealed INTEGER NOT NULL DEFAULT 0;
-- Since the contact last sealed with X-Wing: how many messages, and when that was.
ALTER TABLE contacts ADD COLUMN since_pq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN pq_steady INTEGER;

-- What protected the message on its way: 0 X25519 and the card's seed, 1 X25519 under a seed that
-- travelled post-quantum, 2 X-Wing.
ALTER TABLE messages ADD COLUMN protection INTEGER NOT NULL DEFAULT 0;
-- The own card that went along: the contact has it once the message is delivered.
ALTER TABLE messages ADD COLUMN card_sequence INTEGER;
-- When the contact, who writes and is not answered, needs a fresh target.
ALTER TABLE contacts ADD COLUMN refresh_steady INTEGER;
