"""A rollout under guard, and devices that check and report, as lines of a spool."""

import sqlite3
from contextlib import closing

import msgspec
from telemetry_lines import APP, NOW, write_segment

from edge.domain.guard_policy import GuardPolicy
from edge.domain.guarding.watch import Watch
from edge.domain.model import Rollout
from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.observation import Cohort, Group
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.worker_records import HeardChecks, encode_heard, heard_count
from edge.telemetry.votes.vote_keeper import VoteKeeper

NEW, OLD = "1.0.2", "1.0.1"
NOW_MS = int(NOW * 1000)
SEGMENT = "testers"


def device(number):
    return f"{number:08x}-eefe-490a-9c60-8e965132ae51"


def a_rollout(**changes):
    return Rollout(**{"bundle": NEW, "salt": "r", "steps": (50_000,), "began": NOW, "started": NOW} | changes)


def a_watch(id="r.0", rollout=None, *, plain=False, since_ms=NOW_MS, acts=True, **policy):
    return Watch(
        id=id,
        channel="production",
        bundle=NEW,
        rollout=None if plain else rollout or a_rollout(),
        since_ms=since_ms,
        acts=acts,
        policy=GuardPolicy(**policy),
    )


def a_cohort(side="r/new", **labels):
    group = {"platform": "android", "channel": "production", "side": side}
    group |= {name: labels.pop(name) for name in [*labels] if name in Group._fields}
    return Cohort(Group(**group), **{"os": "14", "country": "DE", "plugin": "8.51.14"} | labels)


class VotingWorld:
    """`watches` are those under guard at the time of a fold; None: nobody knows."""

    def __init__(self, folder, *watches):
        self.spool, self.database = folder / "spool", folder / "counts.db"
        self.spool.mkdir(exist_ok=True)
        self.watches = watches
        self.keeper = self.begin_again()
        self._worker, self._sequence = 0, 0

    def begin_again(self):
        """A keeper that remembers nothing, as after a restart."""
        self.keeper = VoteKeeper(lambda app: self.watches)
        return self.keeper

    def check(self, number, after=0, *, offered=NEW, runs=OLD, cohort=None):
        self._sequence += 1  # each by a worker of its own: a worker's notes come in order
        key = device_key(APP, device(number)).to_bytes(8, "little", signed=True)
        of = [heard_count(cohort or a_cohort(), runs, "offer" if offered else "up_to_date", offered, 1, key)]
        return encode_heard(HeardChecks(f"n-0-{self._sequence}", 1, APP, of), NOW + after)

    def report(self, number, action, after=1, *, version=NEW, net=None, **members):
        sent = {"app_id": APP, "device_id": device(number), "action": action, "version_name": version}
        sent |= {"platform": "android", "plugin_version": "8.51.14", "version_os": "14"} | members
        at_ms, net = int((NOW + after) * 1000), 1_000 + number if net is None else net
        return b'{"received_ms":%d,"net":%d,"events":1,"sent":%s}' % (at_ms, net, msgspec.json.encode(sent))

    def write(self, *lines):
        if lines:
            write_segment(self.spool, lines, worker=self._worker)
            self._worker += 1

    def fold(self, *lines, after=60, look=None, **limits):
        self.write(*lines)
        names_of = {APP: {NEW, OLD}}.get
        how = {"names_of": names_of, "keeper": self.keeper, "look": look} | limits
        return fold(self.spool, self.database, now=NOW + after, **how)

    def rows(self, query):
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()

    def tally(self, id="r.0", after=60):
        (book,) = [book for _, book in self.keeper.books if book.watch.id == id]
        return book.tally(int((NOW + after) * 1000))

    def count(self, test=0, id="r.0"):
        """Attempts and failures of a test."""
        whole = self.tally(id).tests[test].whole
        return whole.attempts, whole.failed
