-- Secrets sealed under the master key (common/seal.h): licences, gateways, and the answers kept for Idempotency-Keys.

-- Devices that prove themselves by HMAC: serial number -> key. The sealed bytes are those that key the HMAC.
CREATE TABLE licences (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id  bigint REFERENCES products, -- NULL: good for a device of any product
    serial      text NOT NULL UNIQUE CHECK (serial ~ '^[ -~]{1,32}$'),
    key_sealed  bytea NOT NULL, -- context "licence/{serial}"
    encoding    text NOT NULL CHECK (encoding IN ('raw', 'hex_text')), -- 32 bytes, or their 64 hex digits as text
    device_id   bigint UNIQUE REFERENCES devices ON DELETE SET NULL, -- NULL until it is bound
    rev         bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX licences_product ON licences (product_id, id);

-- The external MQTT gateway of a product's devices, whose credentials we issue.
CREATE TABLE gateways (
    product_id  bigint PRIMARY KEY REFERENCES products ON DELETE CASCADE,
    endpoint    text NOT NULL CHECK (length(endpoint) BETWEEN 1 AND 255), -- host or host:port
    key_sealed  bytea NOT NULL, -- context "gateway/{product_id}"
    rev         bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- Answers may show a password: sealed too. What is there is a day old at most and was written in clear.
DELETE FROM idempotency;
ALTER TABLE idempotency ALTER COLUMN body TYPE bytea USING ''::bytea;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'otad_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON licences, gateways TO otad_service;
        GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO otad_service;
    END IF;
END $$;
