-- Files: firmware with a URL that devices are told as it is, each with a rollout of its own. Of several for one product and component the highest version wins.

ALTER TABLE firmware
    ADD COLUMN url             text NOT NULL DEFAULT '' CHECK (octet_length(url) <= 256), -- '': no file, devices are told a name of ours
    ADD COLUMN told_md5        text NOT NULL DEFAULT '' CHECK (octet_length(told_md5) <= 64),  -- as the operator gave it; may be no MD5 at all
    ADD COLUMN told_size       text NOT NULL DEFAULT '' CHECK (octet_length(told_size) <= 32), -- likewise: '20kb'
    ADD COLUMN customize       text NOT NULL DEFAULT '' CHECK (octet_length(customize) <= 256),
    ADD COLUMN force           boolean NOT NULL DEFAULT false, -- also to who runs this version
    ADD COLUMN allow_downgrade boolean NOT NULL DEFAULT false, -- also to who runs a newer one
    DROP CONSTRAINT firmware_check,
    -- a URL without sha256: the bytes are not ours; deleted: the row is history, the bytes may be swept
    ADD CONSTRAINT firmware_bytes_check CHECK (CASE WHEN deleted_at IS NULL THEN sha256 IS NOT NULL OR url <> '' ELSE sha256 IS NULL END),
    ADD CONSTRAINT firmware_file_check CHECK (url = '' OR version IS NOT NULL);
CREATE UNIQUE INDEX firmware_files ON firmware (product_id, component, version) WHERE url <> '' AND deleted_at IS NULL;
CREATE INDEX firmware_files_id ON firmware (product_id, id) WHERE url <> '' AND deleted_at IS NULL;

ALTER TABLE rollouts
    ADD COLUMN ranked boolean NOT NULL DEFAULT false,
    -- test: to those whom its ranges name; online: to them, or without ranges to the whole product; invalid: to nobody
    ADD COLUMN stage  text NOT NULL DEFAULT 'online' CHECK (stage IN ('test', 'online', 'invalid')),
    ADD CONSTRAINT rollouts_ranked_check CHECK (ranked = false OR way = 'standing'),
    ADD CONSTRAINT rollouts_stage_check1 CHECK (ranked OR stage = 'online');
DROP INDEX rollouts_standing;
CREATE UNIQUE INDEX rollouts_standing ON rollouts (product_id, component) WHERE way = 'standing' AND NOT ranked AND ended_at IS NULL;
CREATE UNIQUE INDEX rollouts_ranked ON rollouts (firmware_id) WHERE ranked AND ended_at IS NULL;
