-- Standing rollouts: what a cancellation, a deletion and a full load must find without reading every task.

-- the tasks of a rollout in order; pushes are found by their device
DROP INDEX tasks_rollout;
CREATE INDEX tasks_rollout ON tasks (rollout_id, id) WHERE way <> 'push';
-- those that a cancellation ends
CREATE INDEX tasks_standing_live ON tasks (rollout_id, id) WHERE way = 'standing' AND ended_at IS NULL;
-- what has ended, too: a replaced rollout's image is in use while tasks of it go on
CREATE INDEX rollouts_standing_firmware ON rollouts (firmware_id) WHERE way = 'standing';
CREATE INDEX rollouts_standing_id ON rollouts (id) WHERE way = 'standing';
