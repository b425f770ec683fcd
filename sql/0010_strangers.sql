-- Who borrows the MAC of a bound device: audited once an hour, since nothing trims the audit and each new Client-Id would be a row; and a licence that is nobody's yet
-- proves nothing about a device that was bound without it, which therefore shows a code.

-- A check of a device that is not believed: its code (the same while it lives), renewed, with one more challenge. outcome: bound, waiting, full.
CREATE OR REPLACE FUNCTION activation_begin(p_mac text, p_client text, p_type text, p_name text, p_serial text, p_network text, p_codes text[], p_challenge uuid,
    p_ttl interval, p_max bigint, p_per_network bigint, OUT outcome text, OUT given text, OUT device bigint, OUT licensed boolean)
    LANGUAGE plpgsql AS $$
DECLARE
    believed  boolean;
    bound     boolean; -- but not by this Client-Id
    candidate text;
BEGIN
    SELECT b.device_id, b.believed INTO device, believed FROM activation_bound(p_mac, p_client) b;
    IF believed THEN
        outcome := 'bound';
        RETURN;
    END IF;
    bound := EXISTS (SELECT FROM devices d WHERE d.id = device AND d.bound_at IS NOT NULL);
    licensed := EXISTS (SELECT FROM licences l WHERE l.serial = p_serial AND (l.device_id = device OR l.device_id IS NULL AND NOT bound));
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
    IF bound AND NOT EXISTS (SELECT FROM activations a WHERE a.mac = p_mac AND a.client_uuid <> p_client AND a.ended IS NULL
        AND a.created_at > now() - interval '1 hour') THEN
        INSERT INTO audit (actor, address, request, action, target, detail)
            VALUES ('device', p_network, '', 'device.stranger', 'device/' || device, 'another Client-Id asks to activate');
    END IF;
    -- a crash of the database may forget the latest first contacts: they check again and get another code
    PERFORM set_config('synchronous_commit', 'off', true);
END $$;
