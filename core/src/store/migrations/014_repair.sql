-- Of own attachments: how many repair symbols there are to a hundred source symbols. It follows how
-- much carriers kept when the attachment was sent, and must not change while its fragments are sealed.
ALTER TABLE attachments ADD COLUMN repair_percent INTEGER NOT NULL DEFAULT 25;
