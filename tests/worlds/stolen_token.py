"""A home that counts and judges a rollout, regions that send it their spools, and a thief with the token of one."""

import asyncio
from contextlib import closing

import zstandard
from sending_world import a_receiving
from telemetry_lines import APP, NOW, no_sync
from voting_world import NEW, OLD, VotingWorld, a_cohort, device

from edge.assembly.counting.guarded_releases import GuardedReleases
from edge.domain.guarding.evidence import Verdict
from edge.domain.guarding.reported import ReportedUntil
from edge.domain.statistics.device_key import device_key
from edge.telemetry.folding.batches.segment_origins import SegmentOrigins
from edge.telemetry.folding.database import open_for_reading
from edge.telemetry.spool.segment import SegmentWriter
from edge.telemetry.spool.worker_records import HeardChecks, encode_heard, heard_count
from edge.telemetry.votes.standing import StandingQuestion
from edge.telemetry.votes.watch_judging import read_standing

HOME = "homeid"
FORGED = 1_000_000  # numbers of devices that nobody has
NETS = {"no network": lambda n: 0, "many networks": lambda n: 500_000 + n, "networks of others": lambda n: 1_000 + n}


class RegionsWorld(VotingWorld):
    """`regions` are named by their nodes. What they send goes through home's own receiving end."""

    def __init__(self, folder, watch, *regions):
        self.regions = regions
        super().__init__(folder, watch)
        self._outbox = folder / "regions"
        self._outbox.mkdir()
        self._receiving = a_receiving(self.spool, folder / "reports.json", own_node=HOME, clock=lambda: NOW)
        self._sent = 0

    def begin_again(self):
        self.guarded = GuardedReleases(self.database, lambda app: self.watches)
        self.guarded.reported = tuple(ReportedUntil(each, each, each, 0) for each in self.regions)
        return self.guarded.keeper

    def checks(self, numbers, after=0, *, cohort=None):
        """Of many devices that are offered the release, in one line."""
        self._sequence += 1
        keys = b"".join(device_key(APP, device(n)).to_bytes(8, "little", signed=True) for n in numbers)
        of = [heard_count(cohort or a_cohort(), OLD, "offer", NEW, len(numbers), keys)]
        return encode_heard(HeardChecks(f"n-0-{self._sequence}", 1, APP, of), NOW + after)

    def tries(self, numbers, failing=(), after=1.0, net=None):
        """Devices that are offered the release and install it, of which some fail."""
        numbers = list(numbers)
        nets = net or (lambda n: 1_000 + n)
        lines = [self.checks(numbers, after)]
        lines += [self.report(n, "set", after + 1, net=nets(n)) for n in numbers]
        return lines + [self.report(n, "update_fail", after + 2, net=nets(n)) for n in failing]

    def send(self, node, lines):
        """As a region does, or a thief: HOME writes its own spool."""
        directory = self.spool if node == HOME else self._outbox
        writer = SegmentWriter(directory, node, 0, now=NOW + self._sent, sync=no_sync)
        self._sent += 1
        writer.append(list(lines))
        if node == HOME:
            writer.seal()
            return
        content = zstandard.ZstdCompressor().compress(writer.path.read_bytes())
        name = writer.path.stem
        taken = asyncio.run(self._receiving.take(node, name, 0, 0, content, whole=True))
        assert taken.whole

    def forge(self, node, number, nets="no network", failing=False):
        """Made-up devices, in one request."""
        devices = range(FORGED, FORGED + number)
        self.send(node, self.tries(devices, devices if failing else (), after=0.5, net=NETS[nets]))

    def judge(self, after=60):
        """Count what is there, and judge: as the folding process does."""
        self.keeper = self.guarded.keeper
        origins = SegmentOrigins(HOME, "", {each: each for each in self.regions})
        self.fold(after=after, origins=origins)
        self.guarded.judge_all(NOW + after)
        return self.evidence

    @property
    def evidence(self):
        with closing(open_for_reading(self.database)) as connection:
            return read_standing(connection, StandingQuestion(APP, "production", "")).evidence

    def failures_until_alarm(self, nodes, most=60):
        """Real devices report, ten to a fold, of which two fail; failures until the alarm. None: not with `most`."""
        for failures in range(2, most + 2, 2):
            first = failures * 5
            numbers = range(first, first + 10)
            for index, node in enumerate(nodes):
                of_node = numbers[index :: len(nodes)]
                self.send(node, self.tries(of_node, [n for n in of_node if n < first + 2]))
            if self.judge(60 + failures).verdict is Verdict.FAILS:
                return failures
        return None
