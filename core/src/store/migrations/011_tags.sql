-- The first half of each mailbox tag, by which some routers go. What came before has nobody's.
ALTER TABLE envelopes ADD COLUMN tag INTEGER NOT NULL DEFAULT 0;
