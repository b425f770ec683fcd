-- Credentials of devices (common/credential.h): a counter a device, what was revoked, and when a push was taken last.

ALTER TABLE devices
    ADD COLUMN epoch       integer NOT NULL DEFAULT 1 CHECK (epoch > 0), -- passwords of an earlier one are dead
    ADD COLUMN shown_epoch integer NOT NULL DEFAULT 0,                   -- the last one whose password was shown
    ADD COLUMN blocked_at  timestamptz;                                  -- NULL: not blocked

-- What the broker must refuse, by the device's name: also of devices that are deleted or renamed. A name that comes again goes on from its epoch.
-- No row is ever deleted: as many as there were rotations, blocks, deletions and renamings, not as there are devices.
CREATE TABLE revocations (
    device      text PRIMARY KEY,
    epoch       integer NOT NULL CHECK (epoch > 0), -- passwords below it are refused
    blocked     boolean NOT NULL,                   -- all are
    rev         bigint NOT NULL UNIQUE,             -- brokers are told in this order
    at          timestamptz NOT NULL DEFAULT now()
);

-- Revisions become visible in order: the lock of the change feed is held until commit. They are times: after a backup was restored, a broker that
-- knows higher ones of the other history is still told all that is revoked from then on. A statement of its own sees what the lock waited for.
CREATE FUNCTION revocation_put(p_device text, p_epoch integer, p_blocked boolean) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    r bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7305421);
    SELECT greatest(max(rev) + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) INTO r FROM revocations;
    INSERT INTO revocations (device, epoch, blocked, rev) VALUES (p_device, p_epoch, p_blocked, r)
        ON CONFLICT (device) DO UPDATE SET epoch = greatest(revocations.epoch, excluded.epoch), blocked = excluded.blocked, rev = excluded.rev, at = now();
    RETURN r;
END $$;

-- When the push was handed to a sender last: what a device that comes back has got already is not sent again.
ALTER TABLE outbox ADD COLUMN taken_at timestamptz NOT NULL DEFAULT '-infinity';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'otad_service') THEN
        GRANT SELECT, INSERT, UPDATE ON revocations TO otad_service;
    END IF;
END $$;
