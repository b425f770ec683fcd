-- Objects: bytes that operators' browsers post by a form, under a key that becomes part of a file's URL. A key is written once.

CREATE TABLE objects (
    key        text COLLATE "C" PRIMARY KEY CHECK (octet_length(key) BETWEEN 1 AND 160),
    sha256     bytea NOT NULL REFERENCES artifacts (sha256),
    size       bigint NOT NULL CHECK (size > 0),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    touched_at timestamptz NOT NULL DEFAULT now() -- posted again, or named by a file: the sweep leaves it alone for a day
);
CREATE INDEX objects_sha256 ON objects (sha256);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'otad_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON objects TO otad_service;
    END IF;
END $$;
