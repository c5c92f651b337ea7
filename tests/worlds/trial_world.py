"""An app with an experiment, its devices' checks and reports as a spool has them, and the figures of it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
from telemetry_lines import APP, NOW, write_segment

from edge.domain.comparing.running import RunningExperiment
from edge.domain.model import Arm, Experiment, VersionName
from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.observation import Cohort, Group
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.app_records import AppEvent, Outcome, Outcomes, Used, encode_outcomes, encode_used
from edge.telemetry.spool.worker_records import HeardChecks, encode_heard, heard_count
from edge.telemetry.trials.trial_reading import ExperimentAsked, read_experiment

NOW_MS = int(NOW * 1000)
BEFORE, OLD, NEW = "0.9.0", "1.0.0", "1.1.0"
SALT = "x"


def device(number: int) -> str:
    return f"{number:08x}-eefe-490a-9c60-8e965132ae51"


def an_experiment(*measures: str, salt: str = SALT, arms=None, **more) -> RunningExperiment:
    own = arms or (Arm(name="control", bundle=VersionName(OLD), weight=50_000), an_arm("new"))
    given = {"started": NOW, "measures": measures} | more
    return RunningExperiment(channel="production", experiment=Experiment(name="look", arms=own, salt=salt, **given))


def an_arm(name: str, **more) -> Arm:
    return Arm(name=name, bundle=VersionName(NEW), weight=50_000, **more)


class TrialWorld:
    """One app on one node. Times are in seconds after `NOW`."""

    def __init__(self, folder: Path, *running: RunningExperiment) -> None:
        self.spool, self.database = folder / "spool", folder / "counts.db"
        self.spool.mkdir(exist_ok=True)
        self.running = running
        self._lines = 0

    def check(
        self, number, arm="new", after=0.0, *, runs=BEFORE, offered="", salt=SALT, kind="device", os="14",
        plugin="8.51.14",
    ):  # fmt: skip
        """A device checked, and is in the arm."""
        self._lines += 1
        group = Group("android", "production", arm=f"{salt}/{arm}" if arm else "", kind=kind)
        key = device_key(APP, device(number)).to_bytes(8, "little", signed=True)
        cohort = Cohort(group, os, "DE", plugin)
        of = [heard_count(cohort, runs, "offer" if offered else "up_to_date", offered, 1, key)]
        return encode_heard(HeardChecks("n-0-1", self._lines, APP, of), NOW + after)

    def report(self, number, action, after=0.0, *, version=NEW, plugin="8.51.14", net=None):
        """Of a network of its own, if none is named."""
        sent = {"app_id": APP, "device_id": device(number), "action": action, "version_name": version}
        sent |= {"platform": "android", "plugin_version": plugin, "version_os": "14"}
        sent["timestamp"] = int((NOW + after) * 1000)
        line = b'{"received_ms":%d,"net":%d,"events":1,"sent":%s}'
        net = 1_000 + number if net is None else net
        return line % (int((NOW + after) * 1000), net, msgspec.json.encode(sent))

    def event(self, number, name, after=0.0, value=None, net=None):
        at_ms = int((NOW + after) * 1000)
        own = AppEvent(name, "feature" if value is None else "count", at_ms, value)
        net = 1_000 + number if net is None else net
        return encode_used(Used(APP, device(number), [own], platform="android"), NOW + after, net)

    def outcome(self, number, name, after=0.0, value=None):
        at_ms = int((NOW + after) * 1000)
        stated = Outcome(name=name, id=f"{name}{number}", at_ms=at_ms, device=device(number), value=value)
        return encode_outcomes(Outcomes(APP, [stated]), NOW + after)

    def fold(self, *lines, after=0.0):
        if lines:
            write_segment(self.spool, lines, now=NOW + after)
        names = {APP: {BEFORE, OLD, NEW}}.get
        return fold(self.spool, self.database, now=NOW + after, names_of=names, experiments_of=lambda app: self.running)

    def read(self, after=0.0, *, running=True):
        with closing(open_for_folding(self.database)) as connection:
            now = self.running[0] if running and self.running else None
            asked = ExperimentAsked(app=APP, channel="production", now_ms=int((NOW + after) * 1000), running=now)
            return read_experiment(connection, asked)

    def figures(self, after=0.0):
        """By measure and arm: devices, having and total."""
        read = self.read(after)
        return {
            each.id: {one.arm: (one.devices, one.having, one.total) for one in each.figures} for each in read.measures
        }

    def change(self, statement):
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement)

    def rows(self, query):
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()
