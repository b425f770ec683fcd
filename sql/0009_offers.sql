-- Firmware before activation, where a product or a forced fix allows it: a device that has no row of its own is counted where it waits.
ALTER TABLE activations
    ADD COLUMN offered bigint,                     -- the rollout it was offered last; no foreign key: a row that is gone is just another one
    ADD COLUMN offers  smallint NOT NULL DEFAULT 0; -- how often
