"""An ordinary aiohttp application with the node's own decision. `python -m … PORT DATA_DIR PUBLIC_URL HEADERS`.

It parses, decides and encodes with a worker's own code, from the same store and device facts; only the HTTP around it
is the usual aiohttp. HEADERS is a JSON file with the headers of each answer.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from aiohttp import web

from edge.config import Telemetry
from edge.facts.pages import TABLE_NAME
from edge.facts.table import FactsTable
from edge.node.processes.data_directory import DataDirectory
from edge.node.service.device_service import DeviceService
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.overload import Overload
from edge.node.service.peers import NOWHERE, Proxies
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.telemetry.spool.spool import Spool
from edge.wire.updates import WireError, parse_update_check

BACKLOG = 4096
REQUESTS_LIMIT = 1_000_000_000


def build_app(service: DeviceService, public_url: str, headers: dict[str, str]) -> web.Application:
    async def handle_updates(request: web.Request) -> web.Response:
        try:
            check = parse_update_check(await request.read(), apps=service.current.apps)
        except WireError as error:
            return web.Response(body=error.body, status=error.status, content_type="application/json")
        return web.Response(body=service.checks.answer(check, public_url, NOWHERE).plain, headers=headers)

    app = web.Application()
    app.on_response_prepare.append(leave_out_server)
    app.router.add_post("/updates", handle_updates)
    return app


async def leave_out_server(request: web.Request, response: web.StreamResponse) -> None:
    """Remove the Server header, which the node does not send: the answers must be the same."""
    response.headers.pop("Server", None)


def build_desk(truth: DataDirectory, facts_table: Path, spool_dir: Path, public_url: str) -> DeviceService:
    now = time.time()
    current = ServedSnapshots(truth.store)
    current.swap([SnapshotBuilder(truth.store).build(app, head, now) for app, head in truth.releases.heads().items()])
    limits = Telemetry()
    return DeviceService(
        current,
        Spool(spool_dir, "benchmark", 0),
        public_url=public_url,
        allowed_hosts=frozenset(),
        proxies=Proxies(),
        overload=Overload(REQUESTS_LIMIT),
        event_limits=EventLimits(limits.app_events_per_second, limits.address_events_per_second),
        net_key=bytes(16),
        facts=FactsClient(FactsTable(facts_table), lambda message: None),
    )


async def serve(port: int, data_dir: Path, public_url: str, headers: dict[str, str]) -> None:
    truth = DataDirectory(data_dir, time.time())
    with tempfile.TemporaryDirectory() as folder:
        service = build_desk(truth, truth.facts_dir / TABLE_NAME, Path(folder), public_url)
        runner = web.AppRunner(build_app(service, public_url, headers), access_log=None, keepalive_timeout=75)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], json.loads(Path(sys.argv[4]).read_text())))
