"""The tables of the outbox of messages, and the states of a device's one send."""

import enum

OUTBOX_NUMBER = 1
PUSH_OUTBOX_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, app TEXT NOT NULL, message TEXT NOT NULL, phase TEXT NOT NULL, cursor INTEGER NOT NULL,
    planned_at INTEGER NOT NULL, counts BLOB NOT NULL, why TEXT NOT NULL, swept INTEGER NOT NULL, UNIQUE (app, message)
);
CREATE TABLE IF NOT EXISTS sends (
    message INTEGER NOT NULL, key INTEGER NOT NULL, arm TEXT NOT NULL, provider TEXT NOT NULL, state INTEGER NOT NULL,
    due INTEGER NOT NULL, expires INTEGER NOT NULL, next INTEGER NOT NULL, attempts INTEGER NOT NULL,
    at INTEGER NOT NULL, code TEXT NOT NULL, provider_id TEXT NOT NULL, PRIMARY KEY (message, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sends_open ON sends (message, provider, next) WHERE state IN (0, 1);
CREATE INDEX IF NOT EXISTS sends_tried ON sends (message) WHERE state = 2;
CREATE INDEX IF NOT EXISTS sends_by_key ON sends (key);
CREATE TABLE IF NOT EXISTS day_counts (app TEXT NOT NULL, day INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (app, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS halts (app TEXT NOT NULL, provider TEXT NOT NULL, code TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (app, provider)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS own_name (name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS turns (message INTEGER PRIMARY KEY, n INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS past_sends (message INTEGER NOT NULL, arm TEXT NOT NULL, state INTEGER NOT NULL,
    n INTEGER NOT NULL, PRIMARY KEY (message, arm, state)) WITHOUT ROWID
"""
# messages: cursor is the key of the last device that was planned; counts is JSON of the plan so far; swept 1: what was
# open when it ended has its state. sends: one a device and message; times in seconds since the epoch, `at` of its last
# change; next: when it may be tried. day_counts: attempts of an app begun on a day (UTC), each device and message once.
# halts: credentials that a provider refused. past_sends: of messages whose rows are gone. own_name: one row, this
# outbox's; turns: how often its mark in the store was moved, or was to be (`sending_claims`).


class SendState(enum.IntEnum):
    """Of one device and message; stored, so a number never changes."""

    PLANNED = 0
    LATER = 1  # it may be tried again
    SENDING = 2  # written before the attempt
    SENT = 3
    FAILED = 4
    DEAD = 5  # the token was
    UNKNOWN = 6  # an attempt of which nobody knows whether it arrived: never repeated
    EXPIRED = 7
    CAPPED = 8
    CANCELLED = 9
    GONE = 10  # the device left before


OPEN = (SendState.PLANNED, SendState.LATER)
REACHED = (*OPEN, SendState.SENDING, SendState.SENT, SendState.UNKNOWN)  # what counts for a device's cap


class MessagePhase(enum.Enum):
    """Of a message in the outbox."""

    PLANNING = "planning"
    SENDING = "sending"
    DONE = "done"
    CANCELLED = "cancelled"
    STOPPED = "stopped"  # by the node, with a reason


ENDED = (MessagePhase.DONE, MessagePhase.CANCELLED, MessagePhase.STOPPED)
