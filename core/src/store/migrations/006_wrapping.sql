-- Secrets of targets are wrapped under a key that the vault keeps.

CREATE TABLE wrapping (
    number         INTEGER NOT NULL,  -- the key's; 0: none, the secrets lie open
    renewed_steady INTEGER NOT NULL,
    is_stale       INTEGER NOT NULL   -- it would open a secret that was destroyed
);
INSERT INTO wrapping VALUES (0, 0, 0);

CREATE TRIGGER own_card_destroyed AFTER DELETE ON own_cards
BEGIN UPDATE wrapping SET is_stale = 1 WHERE number > 0 AND NOT is_stale; END;
CREATE TRIGGER reply_target_destroyed AFTER DELETE ON reply_targets
BEGIN UPDATE wrapping SET is_stale = 1 WHERE number > 0 AND NOT is_stale; END;
