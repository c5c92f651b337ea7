"""The tables of experiments, kept beside the figures and written in the fold's transaction: see `TRIALS_SCHEMA`."""

TRIALS_SCHEMA = """
CREATE TABLE IF NOT EXISTS experiments (
    id INTEGER PRIMARY KEY, app TEXT NOT NULL, salt TEXT NOT NULL, channel TEXT NOT NULL, document BLOB NOT NULL,
    began_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, pointed_ms INTEGER NOT NULL,
    devices INTEGER NOT NULL, UNIQUE (app, salt)
);
CREATE TABLE IF NOT EXISTS trials (
    experiment INTEGER NOT NULL, key INTEGER NOT NULL, arm INTEGER NOT NULL, first_ms INTEGER NOT NULL,
    installed_ms INTEGER NOT NULL, sessions INTEGER NOT NULL, errors INTEGER NOT NULL, bits INTEGER NOT NULL,
    net INTEGER NOT NULL, PRIMARY KEY (experiment, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trial_networks (
    experiment INTEGER NOT NULL, net INTEGER NOT NULL, devices INTEGER NOT NULL, PRIMARY KEY (experiment, net)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trial_events (
    experiment INTEGER NOT NULL, measure INTEGER NOT NULL, key INTEGER NOT NULL, arm INTEGER NOT NULL,
    n INTEGER NOT NULL, total REAL NOT NULL, PRIMARY KEY (experiment, measure, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trial_points (
    experiment INTEGER NOT NULL, at_ms INTEGER NOT NULL, counts BLOB NOT NULL, PRIMARY KEY (experiment, at_ms)
) WITHOUT ROWID;
"""
# experiments: `salt` is the experiment's id, `document` a RunningExperiment; ended_ms 0: it runs; last_ms: of the
# latest record of a device in it; pointed_ms: of its latest point; devices: rows in trials. trials: one a device, from
# its first check in the experiment, `arm` by number; installed_ms 0: it has not got its arm's bundle; net: the network
# of its first report, -1: it has not reported. trial_networks: counted devices by network (trial_networks.py).
# trial_events: of the app's own events and outcomes, by the number of the measure. trial_points: the counts of all
# measures then.

TRIAL_DEVICES_LIMIT = 500_000  # of one experiment: those that come later are in their arms, and not counted
EXPERIMENTS_LIMIT = 50  # of an app, running and kept: the oldest that ended makes room
POINTS_LIMIT = 200  # of one experiment: then every second one goes
POINT_LEAST_MS = 5_000  # between two points; with the age of the experiment, more
KEPT_DAYS = 90  # after its end
