"""What targeting costs a check: an app with 20 segments and an active rollout, beside an app with neither.

Both apps are on one node and checked in turns. The first segment looks up a set of a million ids, most others
compare versions, and only the last one matches; it sends to a channel with a rollout that does not include the devices.
"""

import tempfile
import time
import uuid
from pathlib import Path

from benchmarks.contenders.servers import Server, node
from benchmarks.load.wrk import Load
from benchmarks.measuring.sampling import check_table, in_turns, measure
from benchmarks.output.report import BenchReport, Options
from benchmarks.programs import cores, need_program
from benchmarks.worlds.answers import fetch
from benchmarks.worlds.releases import (
    APP,
    CHANNEL,
    PUBLIC_URL,
    Sizes,
    check_request,
    commit,
    device_ids,
    make_bundle,
    outside,
    prepare_app,
    put_blob,
    question,
    roll_out,
)
from edge.domain.changes.commands import (
    ChannelSettings,
    Command,
    CreateApp,
    CreateChannel,
    PublishBundle,
    PutIdSet,
    SegmentSettings,
    SetSegment,
)
from edge.domain.targeting.id_sets import encode_id_set
from edge.node.processes.data_directory import DataDirectory

PLAIN, TARGETED = "neither", "20 segments and a rollout"
TARGETED_APP = "com.example.targeted"
RELEASE, NEXT = "1.0.1", "1.0.2"
SHARE = 10_000
IDS = 1_000_000
SEGMENTS = 20
DEVICES = 1_000
CONNECTIONS = 64
HOST = "updates.example.com"
RATES = {"the same load: 8,000 checks/s, 64 kept connections, nothing new": 8_000.0, "as many as it can": 0.0}

FIRST = 'in_set("vip")'
# Then these in turns, and one that matches as the last. No device of this benchmark is in any of them.
MISSES = (
    'version_build >= "2.{at}.0"',
    'platform == "ios" && version_os >= "17.{at}"',
    'plugin_version < "7.{at}.0" && !is_emulator',
    'custom_id.startsWith("tester-{at}")',
    'install_source in ["huawei_appgallery", "samsung_galaxy_store"] && version_build < "1.{at}.0"',
)


class AskedCheck:
    """One app's checks."""

    def __init__(self, server: Server, app: str, devices: list[str]) -> None:
        self.server = server
        self.requests = tuple(check_request(question(device, app=app, version=RELEASE), HOST) for device in devices)


def run(options: Options) -> BenchReport:
    need_program("wrk")
    servers, generators = cores(options.pin)
    with tempfile.TemporaryDirectory(prefix="edge-targeting-") as temporary:
        folder = Path(temporary)
        prepare(folder / "data")
        with node(folder / "data", servers, public_url=PUBLIC_URL) as ours:
            devices = outside(device_ids(DEVICES), SHARE, TARGETED_APP)
            apps = {PLAIN: APP, TARGETED: TARGETED_APP}
            asked = {name: AskedCheck(ours.server, app, devices) for name, app in apps.items()}
            _require_the_same_answer(asked)
            tables = []
            for title, rate in RATES.items():
                loads = {
                    name: Load(each.requests, CONNECTIONS, 1 if options.quick else 5, rate)
                    for name, each in asked.items()
                }
                found = in_turns(
                    loads,
                    options.rounds,
                    lambda load: measure(ours.server, load, generators, folder / "load.lua"),
                )
                tables.append(check_table(title, found, PLAIN))
    return BenchReport(
        compares="CPU per check of an app with 20 segments and an active rollout, and of one with neither.",
        tables=tuple(tables),
    )


def prepare(data_dir: Path) -> None:
    prepare_app(data_dir, [(RELEASE, Sizes())])
    truth = DataDirectory(data_dir, time.time())
    ids = put_blob(truth.store, encode_id_set(str(uuid.UUID(int=number)) for number in range(IDS)))
    commands: list[Command] = [
        CreateApp(app=TARGETED_APP),
        CreateChannel(name=CHANNEL),
        CreateChannel(name="public", settings=ChannelSettings(public=True)),
        PublishBundle(bundle=make_bundle(truth.store, RELEASE, Sizes()), channel=CHANNEL),
        PutIdSet(name="vip", blob=ids, ids=IDS),
        _segment(0, FIRST),
        *(_segment(at, MISSES[at % len(MISSES)].replace("{at}", str(at))) for at in range(1, SEGMENTS - 1)),
        _segment(SEGMENTS - 1, 'platform == "android" && version_build >= "1.0.0"'),
    ]
    commit(truth, TARGETED_APP, commands)
    roll_out(data_dir, NEXT, SHARE, TARGETED_APP)


def _segment(at: int, where: str) -> SetSegment:
    return SetSegment(name=f"s{at:02}", settings=SegmentSettings(where=where, channel=CHANNEL, priority=at))


def _require_the_same_answer(asked: dict[str, AskedCheck]) -> None:
    answers = {fetch(each.server.port, each.requests[0]).body for each in asked.values()}
    if len(answers) != 1 or b'"up_to_date"' not in next(iter(answers)):
        raise RuntimeError(f"the apps answer differently: {answers}")
