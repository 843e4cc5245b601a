-- Restored devices: what follows when one identity moves to another device.

-- Which of the devices that the identity has had this is, and whether a later one is known.
ALTER TABLE own ADD COLUMN device INTEGER NOT NULL DEFAULT 0;
ALTER TABLE own ADD COLUMN is_superseded INTEGER NOT NULL DEFAULT 0;
-- The card of the device before this one, until that was told to stop.
ALTER TABLE own ADD COLUMN device_before BLOB;

-- The contact has a new device, or this is one: what has not arrived is sealed anew.
ALTER TABLE contacts ADD COLUMN needs_resealing INTEGER NOT NULL DEFAULT 0;
CREATE INDEX contacts_resealing ON contacts (id) WHERE needs_resealing;

-- Own envelopes: what acknowledges them. Once one of a message's has arrived, it recalls the others.
CREATE TABLE own_acks (
    envelope INTEGER PRIMARY KEY REFERENCES envelopes (row) ON DELETE CASCADE,
    proof    BLOB    NOT NULL
);
CREATE INDEX envelopes_message ON envelopes (message) WHERE message IS NOT NULL;
