-- One settlement stands for all statements before it. Those of the earlier form are of no use any
-- more: trust begins at the keys of today.
DELETE FROM own_statements;
DELETE FROM contact_statements;
ALTER TABLE contact_statements DROP COLUMN vouched;
UPDATE contacts SET root = identity, verified_key = CASE WHEN verified THEN identity END,
    holds_statement = 0;
UPDATE messages SET statement = NULL;
