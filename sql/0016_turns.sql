-- An offer of a standing rollout that gave way to another before the device had begun is none of the three it may have; but whoever makes a
-- device look like one, then like another, must not fill the table, so that they are counted as well.
ALTER TABLE tasks ADD COLUMN turns integer NOT NULL DEFAULT 0; -- tasks of the rollout before this one that gave way
