"""The tables of devices that take messages, kept beside the figures and written in the fold's transaction."""

PUSH_SCHEMA = """
CREATE TABLE IF NOT EXISTS push_devices (
    app INTEGER NOT NULL, key INTEGER NOT NULL, device TEXT NOT NULL, zone TEXT NOT NULL, locale TEXT NOT NULL,
    platform TEXT NOT NULL, custom_id TEXT NOT NULL, seen_ms INTEGER NOT NULL, hours BLOB NOT NULL,
    last_hour INTEGER NOT NULL, told INTEGER NOT NULL, PRIMARY KEY (app, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS push_tokens (
    app INTEGER NOT NULL, key INTEGER NOT NULL, provider INTEGER NOT NULL, hash INTEGER NOT NULL, token TEXT NOT NULL,
    seen_ms INTEGER NOT NULL, PRIMARY KEY (app, key, provider)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS push_tokens_by_hash ON push_tokens (app, hash) WHERE token <> '';
CREATE TABLE IF NOT EXISTS push_told (
    id INTEGER PRIMARY KEY, app INTEGER NOT NULL, told TEXT NOT NULL, UNIQUE (app, told)
);
CREATE TABLE IF NOT EXISTS push_counts (app INTEGER PRIMARY KEY, devices INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS push_arms (
    id INTEGER PRIMARY KEY, app INTEGER NOT NULL, message TEXT NOT NULL, arm TEXT NOT NULL, last_due INTEGER NOT NULL,
    closed INTEGER NOT NULL, devices INTEGER NOT NULL, opened INTEGER NOT NULL, updated INTEGER NOT NULL,
    active INTEGER NOT NULL, sessions INTEGER NOT NULL, squares INTEGER NOT NULL, UNIQUE (app, message, arm)
);
CREATE TABLE IF NOT EXISTS push_assigned (
    app INTEGER NOT NULL, key INTEGER NOT NULL, arm INTEGER NOT NULL, due INTEGER NOT NULL, sessions INTEGER NOT NULL,
    updates INTEGER NOT NULL, opened INTEGER NOT NULL, PRIMARY KEY (app, key, arm)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS push_assigned_by_arm ON push_assigned (arm)
"""
# push_devices: one with a token, by its key; seen_ms: of its latest registration; hours: 24 counters of its own usual
# hours; last_hour: the hour since the epoch that was learned last; told: in push_told, what its last report said of it
# (0: nothing yet). push_tokens: at most one a device and provider; token "": it left, or is dead, at seen_ms, and what
# was received before that and comes later brings nothing back. push_counts: rows of push_devices. push_arms: of one
# message, "A" and "B" its texts, "-" those that are held out; the numbers are sums over devices whose rows are gone.
# push_assigned: a device that a message was planned for; due, opened in minutes since the epoch, sessions and updates
# within EFFECT_HOURS of due.

REGISTRATIONS_LIMIT = 2_000_000  # of an app, as of devices with figures: some 450 bytes each, so 900 MB
TOLD_LIMIT = 20_000  # of an app, different words of devices about themselves: later ones tell their platform alone
ARMS_LIMIT = 2_000  # of an app, of all messages in KEPT_DAYS: a message has three
EFFECT_HOURS = 24  # after a message was due, what a device does is compared
LATE_HOURS = 48  # reports of a region that was cut off: then the rows become sums
TOKEN_DAYS = 270  # without a registration: FCM drops a token then
GONE_DAYS = 31  # a region that was cut off for so long brings nothing back
KEPT_DAYS = 90  # figures of a message
