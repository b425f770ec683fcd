-- The first schema: products, devices, firmware and its bytes, rollouts and tasks, the change feed, operators and audit.
-- Times are timestamptz; identifiers are small enough for the download names (devices < 2^40, rollouts and tasks < 2^48).

CREATE TABLE products (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         text NOT NULL UNIQUE CHECK (key ~ '^[A-Za-z0-9._-]{1,64}$'),
    name        text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    rev         bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE devices (
    id          bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 1099511627775) PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9_-]{1,64}$'),
    product_id  bigint NOT NULL REFERENCES products,
    client_id   text NOT NULL UNIQUE CHECK (length(client_id) BETWEEN 1 AND 128),
    mac         text UNIQUE CHECK (mac ~ '^[0-9A-F]{12}$'),
    -- the version of the component "app", where a device has told one; other components stand in device_versions
    version     text,
    last_seen   timestamptz,
    rev         bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 90);
CREATE INDEX devices_product ON devices (product_id, id);

CREATE TABLE device_versions (
    device_id   bigint NOT NULL REFERENCES devices ON DELETE CASCADE,
    component   text NOT NULL,
    version     text NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, component)
);

-- Bytes. An upload is invisible until an artifact names it; one that never gets there is swept.
CREATE TABLE uploads (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    touched_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE chunks (
    upload_id   bigint NOT NULL REFERENCES uploads ON DELETE CASCADE,
    seq         integer NOT NULL,
    data        bytea NOT NULL,
    PRIMARY KEY (upload_id, seq)
);
ALTER TABLE chunks ALTER COLUMN data SET STORAGE EXTERNAL; -- firmware does not compress; slices are read whole
CREATE TABLE artifacts (
    sha256      bytea PRIMARY KEY CHECK (length(sha256) = 32),
    md5         bytea NOT NULL CHECK (length(md5) = 16),
    size        bigint NOT NULL CHECK (size > 0),
    upload_id   bigint NOT NULL UNIQUE REFERENCES uploads,
    sealed_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE firmware (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id  bigint NOT NULL REFERENCES products,
    component   text NOT NULL DEFAULT 'app' CHECK (component ~ '^[a-z0-9_]{1,16}$'),
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    file_name   text NOT NULL DEFAULT '',
    sha256      bytea REFERENCES artifacts, -- NULL once deleted: the row is history, the bytes may be swept
    version     text, -- NULL until it is told or learnt from the first right report
    rev         bigint NOT NULL DEFAULT 1,
    created_by  text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz,
    CHECK ((sha256 IS NULL) = (deleted_at IS NOT NULL))
);
CREATE UNIQUE INDEX firmware_name ON firmware (product_id, name) WHERE deleted_at IS NULL;
CREATE INDEX firmware_sha256 ON firmware (sha256);

-- Rollouts and tasks have no foreign keys: the group commit locks the devices and firmware of its orders itself (FOR KEY SHARE, as a foreign key would), once per batch
-- instead of once per row, and refuses the order whose device is gone instead of failing the batch. Deleting a device deletes its rows here.
CREATE TABLE rollouts (
    id           bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 281474976710655) PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('single', 'standing')),
    -- push: told to the device; passive: waits for its poll; standing: whoever comes and is eligible
    way          text NOT NULL CHECK (way IN ('push', 'passive', 'standing')),
    product_id   bigint NOT NULL, -- the firmware's
    device_id    bigint,
    firmware_id  bigint NOT NULL,
    component    text NOT NULL,
    version_name text, -- what the operator calls it in the answer to a poll
    description  text NOT NULL DEFAULT '',
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    ended_at     timestamptz,
    end_reason   text CHECK (end_reason IN ('done', 'cancelled', 'superseded', 'replaced')),
    CHECK ((kind = 'single') = (device_id IS NOT NULL)),
    CHECK ((kind = 'standing') = (way = 'standing'))
);
-- one passive assignment per device and component, one standing rollout per product and component
CREATE UNIQUE INDEX rollouts_passive ON rollouts (device_id, component) WHERE way = 'passive' AND ended_at IS NULL;
CREATE UNIQUE INDEX rollouts_standing ON rollouts (product_id, component) WHERE way = 'standing' AND ended_at IS NULL;
CREATE INDEX rollouts_firmware ON rollouts (firmware_id) WHERE ended_at IS NULL;

CREATE TABLE tasks (
    id             bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 281474976710655) PRIMARY KEY,
    rollout_id     bigint NOT NULL,
    device_id      bigint NOT NULL,
    firmware_id    bigint NOT NULL, -- its rollout's
    way            text NOT NULL, -- its rollout's
    component      text NOT NULL,
    -- the list is service/model/task.c's; a test compares the two
    state          text NOT NULL CHECK (state IN ('queued', 'notified', 'accepted', 'downloading', 'downloaded', 'installing', 'succeeded',
                       'failed', 'timed_out', 'cancelled', 'superseded', 'rejected', 'skipped', 'unconfirmed')),
    stage          text NOT NULL DEFAULT '', -- where a failed or timed-out task stood
    code           text NOT NULL DEFAULT '', -- why it failed
    token          uuid NOT NULL,            -- the version token of a firmware whose version is unknown
    source_version text NOT NULL DEFAULT '', -- the device's version when the task was made
    seen_version   text NOT NULL DEFAULT '', -- the version it reported last, since then
    got            text NOT NULL DEFAULT '', -- byte intervals the device has acknowledged, "0-4095,8192-9000"
    fetched        boolean NOT NULL DEFAULT false, -- all of them
    offers         integer NOT NULL DEFAULT 0,
    rev            bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    ended_at       timestamptz
) WITH (fillfactor = 70);
-- liveness is ended_at, not state, so that a change between live states touches no index
CREATE UNIQUE INDEX tasks_live ON tasks (device_id, component) WHERE ended_at IS NULL;
CREATE INDEX tasks_device ON tasks (device_id, id);
-- pushes are found by their device
CREATE INDEX tasks_rollout ON tasks (rollout_id) WHERE way <> 'push';

-- Pushes to be published: one row per task that is told over MQTT and has not been acted on. due_at is always the next time: whoever takes a
-- row moves it on first, so that a sender that dies loses nothing.
CREATE TABLE outbox (
    task_id     bigint PRIMARY KEY,
    due_at      timestamptz NOT NULL DEFAULT now(),
    attempt     integer NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX outbox_due ON outbox (due_at);

-- What happened to a task, by month.
CREATE TABLE events (
    task_id     bigint NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    event       text NOT NULL,
    from_state  text NOT NULL,
    to_state    text NOT NULL,
    detail      text NOT NULL DEFAULT ''
) PARTITION BY RANGE (at);
CREATE INDEX events_task ON events (task_id, at);
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- The change feed: the truth about what replicas must look at again. NOTIFY is only the wake-up.
-- A position is taken under an advisory lock held until commit, so that positions appear in order and none is lost.
CREATE SEQUENCE change_position;
CREATE TABLE changes (
    pos         bigint PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    kind        text NOT NULL,
    ids         bigint[] NOT NULL DEFAULT '{}' -- empty: all of that kind
);

CREATE TABLE operators (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    role          text NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    disabled_at   timestamptz
);
CREATE TABLE tokens (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator_id bigint NOT NULL REFERENCES operators ON DELETE CASCADE,
    hash        bytea NOT NULL UNIQUE CHECK (length(hash) = 32), -- SHA-256 of a 256-bit random token
    label       text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    revoked_at  timestamptz
);
CREATE INDEX tokens_operator ON tokens (operator_id);

CREATE TABLE audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor       text NOT NULL,
    address     text NOT NULL,
    request     text NOT NULL,
    action      text NOT NULL,
    target      text NOT NULL,
    detail      text NOT NULL DEFAULT ''
);
CREATE INDEX audit_at ON audit (at);

-- Answers to POSTs that came with an Idempotency-Key, for a day.
CREATE TABLE idempotency (
    actor       text NOT NULL,
    key         text NOT NULL CHECK (length(key) BETWEEN 1 AND 128),
    request     bytea NOT NULL, -- SHA-256 of method, path and body
    status      integer NOT NULL,
    body        text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_at ON idempotency (at);

-- The last statement before a commit that others must see. Returns the position.
CREATE FUNCTION change_append(p_kind text, p_ids bigint[]) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    p bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7305421);
    p := nextval('change_position');
    INSERT INTO changes (pos, kind, ids) VALUES (p, p_kind, p_ids);
    RETURN p;
END $$;

-- Months of events: makes that of the next month (what has none goes to the default partition), drops those that ended before the given time.
-- SECURITY DEFINER: the service's own role may not create or drop tables.
CREATE FUNCTION events_maintain(p_keep_after timestamptz) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    first timestamptz;
    part  record;
BEGIN
    PERFORM pg_advisory_xact_lock(7305422);
    first := date_trunc('month', now(), 'UTC') + interval '1 month';
    EXECUTE format('CREATE TABLE IF NOT EXISTS public.%I PARTITION OF public.events FOR VALUES FROM (%L) TO (%L)',
        'events_' || to_char(first AT TIME ZONE 'UTC', 'YYYYMM'), first, first + interval '1 month');
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.events'::regclass AND c.relname ~ '^events_[0-9]{6}$'
          AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' < p_keep_after
    LOOP
        EXECUTE format('DROP TABLE public.%I', part.relname);
    END LOOP;
    DELETE FROM public.events_default WHERE at < p_keep_after;
END $$;
REVOKE ALL ON FUNCTION events_maintain(timestamptz) FROM PUBLIC;

-- Least privilege: the running service reads and writes rows, never tables; audit only grows.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'otad_service') THEN
        GRANT USAGE ON SCHEMA public TO otad_service;
        GRANT SELECT, INSERT, UPDATE, DELETE ON products, devices, device_versions, uploads, chunks, artifacts, firmware, rollouts, tasks,
            outbox, changes, operators, tokens, idempotency TO otad_service;
        GRANT SELECT, INSERT ON events, audit TO otad_service;
        GRANT SELECT ON schema_migrations TO otad_service;
        GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO otad_service;
        GRANT EXECUTE ON FUNCTION events_maintain(timestamptz) TO otad_service;
    END IF;
END $$;
