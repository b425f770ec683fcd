-- What a product says of its devices: their boards, what they must have to be offered firmware, where their voice goes; and fixes that nothing may hold up.

ALTER TABLE products
    -- names or types of boards that are this product, besides its key; a name is one product's only (whoever writes takes advisory lock 7305423 and looks)
    ADD COLUMN boards          text[] NOT NULL DEFAULT '{}' CHECK (cardinality(boards) <= 32),
    ADD COLUMN partitions      text[] NOT NULL DEFAULT '{}' CHECK (cardinality(partitions) <= 32), -- labels a device must have to be offered firmware
    ADD COLUMN unbound_updates boolean NOT NULL DEFAULT false; -- firmware also before activation

-- The voice back end of a product's devices. No row: our own broker, no WebSocket.
CREATE TABLE voices (
    product_id  bigint PRIMARY KEY REFERENCES products ON DELETE CASCADE,
    mqtt        text NOT NULL CHECK (mqtt IN ('own', 'gateway', 'none')),
    gateway_of  bigint GENERATED ALWAYS AS (CASE WHEN mqtt = 'gateway' THEN product_id END) STORED REFERENCES gateways, -- which so cannot go
    ws_url      text NOT NULL CHECK (octet_length(ws_url) < 4000), -- '' = none
    ws_token    bytea, -- sealed, context "voice/{product_id}"; NULL = none
    ws_version  integer NOT NULL CHECK (ws_version BETWEEN 0 AND 255), -- 0 = not said
    rev         bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (ws_url <> '' OR (ws_token IS NULL AND ws_version = 0))
);

-- Devices of this version on such a board are updated also before activation and with automatic updates switched off.
CREATE TABLE forced_fixes (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_version text NOT NULL CHECK (octet_length(from_version) BETWEEN 1 AND 64),
    board        text NOT NULL CHECK (octet_length(board) BETWEEN 1 AND 64 AND board !~ '[*].'), -- a name or type; 'bread-*': all that begin so
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (from_version, board)
);
-- a firmware that knows no activation
INSERT INTO forced_fixes (from_version, board) VALUES ('0.9.8', 'bread-*');

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'otad_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON voices, forced_fixes TO otad_service;
        GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO otad_service;
    END IF;
END $$;
