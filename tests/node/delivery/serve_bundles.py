"""A bundle server on uvloop, as a separate process for `test_zero_copy`: `serve_bundles.py ours|lane|stock STORE`.

Prints its port, serves every blob of the store, ends with its standard input. `lane` puts the lane in
front; `stock` serves it with aiohttp's FileResponse, which is known to copy on this loop.
"""

import asyncio
import sys
from functools import partial
from pathlib import Path

import uvloop
from aiohttp import web
from proving import open_files

from edge.facts.table import FactsTable
from edge.node.delivery.pace import DEFAULT_PATIENCE
from edge.node.http.bundle_routes import add_bundle_routes
from edge.node.lane.connection import Lane
from edge.node.lane.context import LaneContext
from edge.node.service.device_service import DeviceService
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.admission import Connections
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.overload import Overload
from edge.node.service.peers import Proxies
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key


class Everything:
    """Stands for the snapshots, and for one of them: devices may read every blob."""

    def snapshot(self, app):
        return self

    def may_read(self, *address):
        return True

    def bundles_with(self, digest):
        return ()


async def serve_stock(request, store):
    return web.FileResponse(store.path(blob_key(request.path.rpartition("/")[2])))


def in_front(readable, files):
    service = DeviceService(
        readable,
        None,  # nobody reports anything here
        public_url="",
        allowed_hosts=frozenset(),
        proxies=Proxies(),
        overload=Overload(10),
        event_limits=EventLimits(0.0, 0.0),
        net_key=bytes(16),
        facts=FactsClient(FactsTable(Path("no table")), lambda message: None),
    )
    shared = LaneContext(service, files, Connections(0, Proxies()), DEFAULT_PATIENCE, None)
    return lambda: Lane(shared)


async def main(how, store):
    app, files = web.Application(), open_files(store)
    if how != "stock":
        add_bundle_routes(app.router, Everything(), files)
    else:
        app.router.add_get("/{any:.*}", partial(serve_stock, store=store))
    runner = web.AppRunner(app)
    await runner.setup()
    protocol = runner.server if how != "lane" else in_front(Everything(), files)
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    await runner.cleanup()
    await files.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], FsStore(Path(sys.argv[2]))))
