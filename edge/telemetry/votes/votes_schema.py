"""The tables of votes: `VOTES_SCHEMA`, and since schema 9 which node brought each row."""

import sqlite3

VOTES_SCHEMA = """
CREATE TABLE IF NOT EXISTS watches (
    id INTEGER PRIMARY KEY, app TEXT NOT NULL, watch TEXT NOT NULL, channel TEXT NOT NULL, salt TEXT NOT NULL,
    began_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, stamp INTEGER NOT NULL, is_full INTEGER NOT NULL,
    plan BLOB NOT NULL, standing BLOB, UNIQUE (app, watch)
);
CREATE TABLE IF NOT EXISTS votes (
    watch INTEGER NOT NULL, key INTEGER NOT NULL, net INTEGER NOT NULL, bits INTEGER NOT NULL, tests INTEGER NOT NULL,
    epoch INTEGER NOT NULL, cohort INTEGER NOT NULL, cause INTEGER NOT NULL, offered_ms INTEGER NOT NULL,
    set_ms INTEGER NOT NULL, failed_ms INTEGER NOT NULL, spoke_ms INTEGER NOT NULL, PRIMARY KEY (watch, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS arm_events (
    watch INTEGER NOT NULL, key INTEGER NOT NULL, test INTEGER NOT NULL, net INTEGER NOT NULL, epoch INTEGER NOT NULL,
    share INTEGER NOT NULL, in_arm INTEGER NOT NULL, counted INTEGER NOT NULL, PRIMARY KEY (watch, key, test)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS control_starts (
    watch INTEGER NOT NULL, key INTEGER NOT NULL, net INTEGER NOT NULL, started_ms INTEGER NOT NULL,
    spoke_ms INTEGER NOT NULL, PRIMARY KEY (watch, key)
) WITHOUT ROWID;
"""
# watches: `salt` is the rollout's, "" for a plain publish; `ended_ms` 0 while it goes on; `stamp` changes with each
# batch that changes its votes, so that what a process remembers of them is known to be theirs; `plan` is JSON of
# `KeptPlan`, which names the nodes by their numbers (0 is this one), `standing` of `GuardStanding`. votes: one row a
# device and watch (`vote`). arm_events: devices with an event that is compared with the control, once for each of the
# plan's tests. control_starts: a sample of devices outside the rollout (`control_starts`). All three are deleted when
# the watch is over, and with them the hashes of networks.


def tell_nodes_apart(connection: sqlite3.Connection) -> None:
    """What is there already is all of this node. In the caller's transaction."""
    for table in ("votes", "arm_events", "control_starts"):
        if not any(column[1] == "node" for column in connection.execute(f"PRAGMA table_info({table})")):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN node INTEGER NOT NULL DEFAULT 0")
