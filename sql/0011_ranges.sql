-- Which devices a standing rollout is for: identifiers, prefixes of identifiers, ranges of MAC addresses. All without separators, in upper case.

-- No foreign key: it would be asked once a row, which doubles the time of an import. Whoever writes ranges holds the rollout's row; who deletes rollouts
-- deletes theirs by the trigger below.
CREATE TABLE mac_ranges (
    rollout_id  bigint NOT NULL,
    place       integer NOT NULL CHECK (place > 0), -- in the rollout's list, without gaps: the last one is their number
    kind        text NOT NULL CHECK (kind IN ('exact', 'prefix', 'range')),
    -- the identifier, or what all of them begin with. So one index serves all kinds: a look-up asks for every prefix of an identifier
    head        text COLLATE "C" NOT NULL CHECK (octet_length(head) <= 64 AND (kind = 'range' OR head <> '')),
    first       text COLLATE "C", -- of a range, 12 hex digits each
    last        text COLLATE "C",
    said        text CHECK (octet_length(said) <= 128), -- as it was written, where that is spelt otherwise
    PRIMARY KEY (rollout_id, place),
    CHECK (CASE WHEN kind = 'range' THEN first IS NOT NULL AND last IS NOT NULL AND first <= last AND starts_with(first, head) AND starts_with(last, head) AND octet_length(first) = 12
        AND octet_length(last) = 12 ELSE first IS NULL AND last IS NULL END)
);
CREATE INDEX mac_ranges_head ON mac_ranges (head);

CREATE FUNCTION mac_ranges_drop() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM mac_ranges m USING gone WHERE m.rollout_id = gone.id AND gone.way = 'standing';
    RETURN NULL;
END $$;
CREATE TRIGGER mac_ranges_drop AFTER DELETE ON rollouts REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION mac_ranges_drop();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'otad_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON mac_ranges TO otad_service;
    END IF;
END $$;
