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

-- Keys change hands: a contact's trust begins at its root.
ALTER TABLE contacts ADD COLUMN root BLOB;         -- the identity that was known first
ALTER TABLE contacts ADD COLUMN recovery BLOB;     -- the recovery key pinned to it
ALTER TABLE contacts ADD COLUMN verified_key BLOB; -- the identity that the user has verified
ALTER TABLE contacts ADD COLUMN warning INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;  -- and nobody succeeded
-- The newest own statement that the contact has.
ALTER TABLE contacts ADD COLUMN holds_statement INTEGER NOT NULL DEFAULT 0;
UPDATE contacts SET root = identity, verified_key = CASE WHEN verified THEN identity END;

-- Every key that ever was a contact's, and until when mail by it is taken.
CREATE TABLE contact_keys (
    identity     BLOB    PRIMARY KEY,
    contact      INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    until_steady INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX contact_keys_contact ON contact_keys (contact);
INSERT INTO contact_keys SELECT identity, id, 9223372036854775807 FROM contacts;

-- What contacts have said of their keys, as far as it counts.
CREATE TABLE contact_statements (
    row     INTEGER PRIMARY KEY,
    contact INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    bytes   BLOB    NOT NULL,
    vouched INTEGER NOT NULL  -- signed by the recovery key that was pinned when it came
);
CREATE INDEX contact_statements_contact ON contact_statements (contact);

-- What this node has said of its own keys, and its recovery key, public.
CREATE TABLE own_statements (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
ALTER TABLE own ADD COLUMN recovery BLOB;
-- The newest own statement that went along: the contact has it once the message is delivered.
ALTER TABLE messages ADD COLUMN statement INTEGER;
