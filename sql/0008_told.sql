-- What a device tells of itself when it starts, beyond its version: one row for each that ever did.
CREATE TABLE device_facts (
    device_id   bigint PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
    told        bigint NOT NULL CHECK (told <> 0), -- a fingerprint of all that follows: what is the same is not written again
    flash_size  bigint NOT NULL,                   -- bytes; 0: not told
    whole       boolean NOT NULL,                  -- false: only its headers could be read
    board_name  text NOT NULL,                     -- '': not told, here and below
    board_type  text NOT NULL,
    chip        text NOT NULL,
    slot        text NOT NULL,                     -- the partition that runs
    language    text NOT NULL,
    elf_sha256  bytea CHECK (length(elf_sha256) = 32),
    client_uuid text NOT NULL,                     -- the Client-Id it tells now; never shown
    partitions  text NOT NULL,                     -- a line each: type, subtype, size and label
    updated_at  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'otad_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON device_facts TO otad_service;
    END IF;
END $$;
