-- Who may write, and who is forgotten.

-- 0 accepted, 1 a stranger's request, 2 blocked.
ALTER TABLE contacts ADD COLUMN relation INTEGER NOT NULL DEFAULT 0;
-- When a request came.
ALTER TABLE contacts ADD COLUMN requested_steady INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN muted INTEGER NOT NULL DEFAULT 0;

-- Strangers whose request was declined: for a while their mail is foreign mail.
CREATE TABLE declined (
    identity     BLOB    PRIMARY KEY,
    until_steady INTEGER NOT NULL
) WITHOUT ROWID;

-- The highest numbers that a deleted contact or message had: none is ever given twice.
ALTER TABLE own ADD COLUMN last_contact INTEGER NOT NULL DEFAULT 0;
ALTER TABLE own ADD COLUMN last_message INTEGER NOT NULL DEFAULT 0;
-- Cards below this number are shown on links no more: somebody blocked holds them.
ALTER TABLE own ADD COLUMN marks_from INTEGER NOT NULL DEFAULT 0;
