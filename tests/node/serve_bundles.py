"""A bundle server on uvloop as a process of its own, for `test_zero_copy`: `serve_bundles.py ours|stock FILE`.

Prints its port, serves every bundle address with the one file, ends with its standard input. `stock` serves it with
aiohttp's FileResponse, which is known to copy on this loop.
"""

import asyncio
import sys
from functools import partial
from pathlib import Path

import uvloop
from aiohttp import web

from edge.node.bundle_routes import add_bundle_routes
from edge.node.files import OpenFiles


class OneFile:
    def __init__(self, path):
        self._path = path

    def blob(self, app, kind, digest):
        return self._path


async def serve_stock(request, path):
    return web.FileResponse(path)


async def main(how, path):
    app, files = web.Application(), OpenFiles()
    if how == "ours":
        add_bundle_routes(app.router, OneFile(path), files)
    else:
        app.router.add_get("/{any:.*}", partial(serve_stock, path=path))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()
    await files.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2])))
