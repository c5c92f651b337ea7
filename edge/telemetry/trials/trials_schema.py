"""The table of devices in experiments: see `TRIALS_SCHEMA`."""

TRIALS_SCHEMA = """
CREATE TABLE IF NOT EXISTS trials (
    app INTEGER NOT NULL, experiment TEXT NOT NULL, key INTEGER NOT NULL, arm TEXT NOT NULL, first_ms INTEGER NOT NULL,
    PRIMARY KEY (app, experiment, key)
) WITHOUT ROWID;
"""
