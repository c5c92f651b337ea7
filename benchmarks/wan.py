"""Checks, downloads and updates over a wide-area link: real TCP on an emulated link, and what a model predicts.

For every rate and round trip, alternating in one run: a check on a new connection and on the one it leaves open, the
same 5 MB zip from `edge serve` and from nginx, and file-by-file updates of real consecutive npm releases by the device
simulator. Needs root, nginx and npm; always cleans up.
"""

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.output.report import BenchReport, Options
from benchmarks.wide_area.forms import CHOSEN, FORMS, MANIFEST, ZIP, FormsCell
from benchmarks.wide_area.link import WanLink
from benchmarks.wide_area.report import Ceiling, Findings, Lossy, Update, WanCell, build_report
from benchmarks.wide_area.server import (
    CEILING_BYTES,
    DEVICE_PORT,
    FIRST,
    NGINX_PORT,
    SECOND,
    SWAGGER,
    TINYMCE,
    ZIP_APP,
    Package,
    WanNode,
    make_zip_bundle,
    serving,
    serving_nginx,
)
from benchmarks.wide_area.space import CONGESTION, NoLink, Space, Talker, space, talker
from benchmarks.worlds.npm import fetch_package

SINGLE_SEGMENT_BPS = 300e6  # up to here the relay takes every segment by itself with time to spare
RUN_SEGMENTS = 16  # and above in runs: 0.2 ms of the line at 1 Gbit/s
SHORT_LINK = WanLink(0.0002, 100e9)  # for what is not measured, and for the ceiling
CEILING_ROUNDS = 2
CEILING_SHARE = 0.8  # of what the relay sustains; a faster line would measure the relay
LOSSES = (0.0, 0.001, 0.01)
LOSSY_LINK = WanLink(0.040, 200e6)
LOSSY_CONGESTIONS = (CONGESTION, "bbr")


class WanPlan(NamedTuple):
    rates_bps: tuple[float, ...]
    round_trips_seconds: tuple[float, ...]
    rounds: int
    update_rounds: int
    packages: tuple[Package, ...]
    losses: tuple[float, ...] = ()
    forms: tuple[WanLink, ...] = ()
    forms_rounds: int = 3


RATES_BPS = (50e6, 200e6, 1e9)
# 280 ms is the far tenth of a world served from one place; without it the weighted means would be guesses.
FORMS_RATES_BPS, FORMS_ROUND_TRIPS_SECONDS = (5e6, 50e6, 200e6), (0.010, 0.040, 0.150)
ROUND_TRIPS_SECONDS = (0.005, 0.020, 0.040, 0.080, 0.150, 0.280)


def plan_for(options: Options) -> WanPlan:
    if options.quick:
        forms = (WanLink(0.040, 5e6), WanLink(0.040, 200e6))
        return WanPlan((200e6,), (0.020, 0.080), options.rounds, 1, (SWAGGER, TINYMCE), forms=forms, forms_rounds=1)
    forms = tuple(WanLink(away, rate_bps) for rate_bps in FORMS_RATES_BPS for away in FORMS_ROUND_TRIPS_SECONDS)
    return WanPlan(RATES_BPS, ROUND_TRIPS_SECONDS, options.rounds, 3, (SWAGGER, TINYMCE), LOSSES, forms)


def run(options: Options) -> BenchReport:
    """Raises Missing if this machine cannot do it."""
    plan, cache = plan_for(options), options.cache_dir / "npm"
    cache.mkdir(parents=True, exist_ok=True)
    with bench() as measuring:
        measuring.prepare(plan.packages, cache)
        findings = Findings(zip_bytes=measuring.zip_bytes, congestion=CONGESTION, ceiling=measuring.ceiling())
        for link in plan_links(plan, findings.ceiling):
            findings.cells.append(measuring.measure(link, plan))
        findings.unlinked = measuring.measure(SHORT_LINK, plan)
        for loss in plan.losses:
            findings.lossy += [measuring.measure_lossy(loss, name) for name in LOSSY_CONGESTIONS]
        for link in plan.forms:
            findings.forms += measuring.measure_forms(link, plan)
    return build_report(findings)


def plan_links(plan: WanPlan, ceiling: Ceiling) -> list[WanLink]:
    """One for each cell of the table; a rate that the relay does not carry is capped to one that it does."""
    links = []
    for rate_bps in plan.rates_bps:
        single = rate_bps <= SINGLE_SEGMENT_BPS
        carried = CEILING_SHARE * (ceiling.single_bps if single else ceiling.runs_bps)
        segments = 1 if single else RUN_SEGMENTS
        links += [WanLink(away, min(rate_bps, carried), 0.0, segments) for away in plan.round_trips_seconds]
    return links


class WanBench:
    """Running servers, a waiting client, and the paths that it will request."""

    def __init__(self, place: Space, client: Talker, node: WanNode, folder: Path) -> None:
        self._space = place
        self._client = client
        self._node = node
        self._folder = folder
        self._downloads: list[tuple[str, int, str]] = []  # series, port and path
        self._answers_bytes: dict[Package, int] = {}
        self.zip_bytes = 0

    def prepare(self, packages: Sequence[Package], cache: Path) -> None:
        """Publish everything and let a device of each app install the release before."""
        self._space.set(SHORT_LINK)
        for port in (NGINX_PORT, DEVICE_PORT):
            self._client.ask(["ready", self._space.server.address, port])
        self.publish_zip()
        for package in packages:
            self._node.create(package.app)
            for version, name in ((package.before, FIRST), (package.after, SECOND)):
                self._node.publish(package.app, fetch_package(package.name, version, cache, self._folder), name)
            self._node.offer(package.app, FIRST)
            self._ask("install", DEVICE_PORT, package.app)
            self._node.offer(package.app, SECOND)
            for form in FORMS:
                self._node.add_channel(package.app, form, SECOND)
            self._answers_bytes[package] = self._ask("answer", DEVICE_PORT, package.app)["bytes"]

    def publish_zip(self) -> None:
        self._node.create(ZIP_APP)
        self._node.publish(ZIP_APP, make_zip_bundle(self._folder), FIRST)
        self._node.offer(ZIP_APP, FIRST)
        # Without its query, which may ask for an end of the file that old releases need.
        path = urlsplit(self._ask("check", DEVICE_PORT, ZIP_APP)["answer"]["url"]).path
        digest = Path(path).name
        self._downloads = [("zip_edge", DEVICE_PORT, path), ("zip_nginx", NGINX_PORT, f"/{digest[:2]}/{digest}")]
        # The same file from both.
        (self.zip_bytes,) = {self._ask("download", port, path)["bytes"] for _, port, path in self._downloads}

    def ceiling(self) -> Ceiling:
        """What relay and client carry when the line is no limit: in single segments, and in runs."""
        measured = []
        for segments in (1, RUN_SEGMENTS):
            self._space.set(SHORT_LINK._replace(segments_per_frame=segments))
            times = [self._ask("download", NGINX_PORT, "/ceiling")["seconds"] for _ in range(CEILING_ROUNDS)]
            measured.append(CEILING_BYTES * 8 / min(times))
        return Ceiling(*measured)

    def measure(self, link: WanLink, plan: WanPlan) -> WanCell:
        self._space.set(link)
        cell = WanCell(link)
        for number in range(plan.rounds):
            self.measure_check(cell)
            self._measure_downloads(cell, number)
            if number < plan.update_rounds:
                for package in plan.packages:
                    self._measure_update(cell, package)
        cell.counts.update(self._space.counts())
        return cell

    def measure_check(self, cell: WanCell) -> None:
        check = self._ask("check", DEVICE_PORT, ZIP_APP)
        cell.add("check_new", check["new"])
        cell.add("check_kept", check["kept"])

    def measure_lossy(self, loss: float, congestion: str) -> Lossy:
        """Without samples where the kernel has no such congestion control."""
        cell = WanCell(LOSSY_LINK._replace(loss=loss))
        try:
            self._space.set(cell.link, congestion)
        except NoLink:
            return Lossy(congestion, cell)
        for number in range(3):
            self._measure_downloads(cell, number)
        return Lossy(congestion, cell)

    def measure_forms(self, link: WanLink, plan: WanPlan) -> list[FormsCell]:
        """Every package in all forms, in turn."""
        self._space.set(SHORT_LINK)
        self._node.know(link)
        self._client.ask(["ready", self._space.server.address, DEVICE_PORT])
        cells = [FormsCell(package.name, link) for package in plan.packages]
        for package in plan.packages:  # for the first time: the node opens and proves what it sends
            for form in FORMS:
                self._update_in(package, form)
        self._space.set(link)
        for number in range(plan.forms_rounds):
            for package, cell in zip(plan.packages, cells, strict=True):
                for form in FORMS if number % 2 else reversed(FORMS):
                    done = self._update_in(package, form)
                    cell.add(form, done["seconds"])
                    cell.sent = cell.sent if form != CHOSEN else MANIFEST if done["manifest"] else ZIP
        return cells

    def _update_in(self, package: Package, form: str) -> dict[str, Any]:
        """Raises RuntimeError if another form was sent than the channel prefers."""
        done = self._ask("update", DEVICE_PORT, package.app, form)
        if form != CHOSEN and done["manifest"] is not (form == MANIFEST):
            raise RuntimeError(f"{package.name} was not updated by its {form}")
        return done

    def _measure_downloads(self, cell: WanCell, number: int) -> None:
        for name, port, path in self._downloads if number % 2 else reversed(self._downloads):
            cell.add(name, self._ask("download", port, path)["seconds"])

    def _measure_update(self, cell: WanCell, package: Package) -> None:
        done = self._ask("update", DEVICE_PORT, package.app)
        if not done.pop("manifest"):
            raise RuntimeError(f"{package.name} was not updated file by file")
        cell.add(package.name, done.pop("seconds"))
        cell.updates[package.name] = Update(self._answers_bytes[package], **done)

    def _ask(self, operation: str, port: int, *what: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.ask([operation, self._space.server.address, port, *what])
        return answer


@contextlib.contextmanager
def bench() -> Iterator[WanBench]:
    """Raises Missing."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-wan-")))
        place = stack.enter_context(space())
        stack.enter_context(serving_nginx(place.server, folder, folder / "data/store/blobs/sha256"))
        node = stack.enter_context(serving(place.server, folder))
        devices = folder / "devices"
        devices.mkdir()
        words = [sys.executable, "-m", "benchmarks.wide_area.client", str(devices)]
        client = stack.enter_context(talker(place.client.command(words)))
        yield WanBench(place, client, node, folder)
