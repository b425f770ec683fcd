-- Activation: who a device is, what an operator calls it, and first contacts that wait for somebody to enter their code.

-- mac: the MAC alone is trusted; pinned: the Client-Id that it had when it was bound besides; licence: bound only by a licence's HMAC, then as pinned.
ALTER TABLE products ADD COLUMN identity text NOT NULL DEFAULT 'mac' CHECK (identity IN ('mac', 'pinned', 'licence'));

ALTER TABLE devices
    ADD COLUMN nick_name   text NOT NULL DEFAULT '' CHECK (length(nick_name) <= 128),
    ADD COLUMN auto_update boolean NOT NULL DEFAULT true,
    ADD COLUMN bound_at    timestamptz, -- NULL: it must activate first
    ADD COLUMN client_uuid text;        -- the Client-Id at binding; a secret of the device's, like a token

-- One row a (MAC, Client-Id) that waits: each has a code of its own, so that who borrows a MAC never gets the code that the device shows.
-- What ended stays for a while, so that an expired and a used code are told apart from an unknown one.
CREATE TABLE activations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mac         text NOT NULL CHECK (mac ~ '^[0-9A-F]{12}$'),
    client_uuid text NOT NULL CHECK (length(client_uuid) <= 64), -- '' = it tells none
    board_type  text NOT NULL CHECK (length(board_type) <= 64),
    board_name  text NOT NULL CHECK (length(board_name) <= 64),
    network     text NOT NULL CHECK (length(network) <= 64),     -- its address; of IPv6 the /64
    code        text NOT NULL UNIQUE CHECK (code ~ '^[0-9]{6}$'),
    challenges  uuid[] NOT NULL CHECK (cardinality(challenges) <= 4), -- the latest last; one that was used is gone
    licence_id  bigint REFERENCES licences ON DELETE SET NULL,   -- proven, but nobody has said for which product
    created_at  timestamptz NOT NULL DEFAULT now(),
    touched_at  timestamptz NOT NULL DEFAULT now(), -- its last check, or its end
    ended       text CHECK (ended IN ('bound', 'expired'))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX activations_waiting ON activations (mac, client_uuid) WHERE ended IS NULL;
CREATE INDEX activations_network ON activations (network) WHERE ended IS NULL;
CREATE INDEX activations_silent ON activations (touched_at) WHERE ended IS NULL;
CREATE INDEX activations_ended ON activations (touched_at) WHERE ended IS NOT NULL;
CREATE INDEX activations_licence ON activations (licence_id) WHERE licence_id IS NOT NULL;

-- How many rows there are: counting them at each first contact would cost more than the contact. Whoever adds or deletes rows locks it first.
CREATE TABLE activation_count (n bigint NOT NULL);
INSERT INTO activation_count VALUES (0);

-- May this device be believed to be the one that was bound? No row: nobody knows it.
CREATE FUNCTION activation_bound(p_mac text, p_client text) RETURNS TABLE (device_id bigint, believed boolean)
    LANGUAGE sql STABLE AS $$
    SELECT d.id, d.bound_at IS NOT NULL AND (p.identity = 'mac' OR (p_client <> '' AND d.client_uuid IS NOT DISTINCT FROM p_client))
    FROM devices d JOIN products p ON p.id = d.product_id WHERE d.mac = p_mac
$$;

-- Makes room for one more: of its own network, then in all. What has ended goes first, else what has been silent longest, if for ten minutes: a device that waits
-- for its code to be entered checks every half minute. false: there is no room. With the count locked.
CREATE FUNCTION activation_make_room(p_network text, p_max bigint, p_per_network bigint) RETURNS boolean
    LANGUAGE plpgsql AS $$
DECLARE
    gone bigint := 0;
BEGIN
    IF (SELECT count(*) FROM activations WHERE network = p_network AND ended IS NULL) >= p_per_network THEN
        DELETE FROM activations WHERE id = (SELECT id FROM activations
            WHERE network = p_network AND ended IS NULL AND touched_at < now() - interval '10 minutes' ORDER BY touched_at LIMIT 1 FOR UPDATE SKIP LOCKED);
        GET DIAGNOSTICS gone = ROW_COUNT;
        IF gone = 0 THEN
            RETURN false;
        END IF;
    ELSIF (SELECT n FROM activation_count) >= p_max THEN
        DELETE FROM activations WHERE id = (SELECT id FROM activations WHERE ended IS NOT NULL ORDER BY touched_at LIMIT 1 FOR UPDATE SKIP LOCKED);
        GET DIAGNOSTICS gone = ROW_COUNT;
        IF gone = 0 THEN
            DELETE FROM activations WHERE id = (SELECT id FROM activations
                WHERE ended IS NULL AND touched_at < now() - interval '10 minutes' ORDER BY touched_at LIMIT 1 FOR UPDATE SKIP LOCKED);
            GET DIAGNOSTICS gone = ROW_COUNT;
        END IF;
        IF gone = 0 THEN
            RETURN false;
        END IF;
    END IF;
    UPDATE activation_count SET n = n - gone WHERE gone > 0;
    RETURN true;
END $$;

-- A check of a device that is not believed: its code (the same while it lives), renewed, with one more challenge. outcome: bound, waiting, full.
CREATE FUNCTION activation_begin(p_mac text, p_client text, p_type text, p_name text, p_serial text, p_network text, p_codes text[], p_challenge uuid,
    p_ttl interval, p_max bigint, p_per_network bigint, OUT outcome text, OUT given text, OUT device bigint, OUT licensed boolean)
    LANGUAGE plpgsql AS $$
DECLARE
    believed  boolean;
    candidate text;
BEGIN
    SELECT b.device_id, b.believed INTO device, believed FROM activation_bound(p_mac, p_client) b;
    IF believed THEN
        outcome := 'bound';
        RETURN;
    END IF;
    licensed := EXISTS (SELECT FROM licences l WHERE l.serial = p_serial AND (l.device_id IS NULL OR l.device_id = device));
    outcome := 'waiting';
    FOR attempt IN 1..2 LOOP
        UPDATE activations a SET touched_at = now(), board_type = p_type, board_name = p_name,
            challenges = (a.challenges || p_challenge)[greatest(1, cardinality(a.challenges) - 2):]
            WHERE a.mac = p_mac AND a.client_uuid = p_client AND a.ended IS NULL AND a.touched_at > now() - p_ttl RETURNING a.code INTO given;
        IF FOUND THEN
            RETURN;
        END IF;
        IF attempt = 1 THEN -- it may have been made while we waited for the count
            PERFORM FROM activation_count FOR UPDATE;
        END IF;
    END LOOP;
    UPDATE activations a SET ended = 'expired' WHERE a.mac = p_mac AND a.client_uuid = p_client AND a.ended IS NULL;
    FOREACH candidate IN ARRAY p_codes LOOP -- one look by the index each: a join would be planned once, for an empty table
        IF NOT EXISTS (SELECT FROM activations a WHERE a.code = candidate) THEN
            given := candidate;
            EXIT;
        END IF;
    END LOOP;
    IF given IS NULL OR NOT activation_make_room(p_network, p_max, p_per_network) THEN
        outcome := 'full';
        given := NULL;
        RETURN;
    END IF;
    INSERT INTO activations (mac, client_uuid, board_type, board_name, network, code, challenges)
        VALUES (p_mac, p_client, p_type, p_name, p_network, given, ARRAY[p_challenge]);
    UPDATE activation_count SET n = n + 1;
    INSERT INTO audit (actor, address, request, action, target, detail)
        SELECT 'device', p_network, '', 'device.stranger', 'device/' || d.id, 'another Client-Id asks to activate' FROM devices d
        WHERE d.id = device AND d.bound_at IS NOT NULL;
    -- a crash of the database may forget the latest first contacts: they check again and get another code
    PERFORM set_config('synchronous_commit', 'off', true);
END $$;

-- Forgets what ended or was silent for twice the life of a code, and counts anew.
CREATE FUNCTION activation_sweep(p_ttl interval) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM FROM activation_count FOR UPDATE;
    DELETE FROM activations WHERE touched_at < now() - 2 * p_ttl;
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE activation_count SET n = (SELECT count(*) FROM activations);
    RETURN gone;
END $$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'otad_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON activations TO otad_service;
        GRANT SELECT, UPDATE ON activation_count TO otad_service;
        GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO otad_service;
    END IF;
END $$;
