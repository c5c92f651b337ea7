"""Files by aiohttp's own FileResponse on uvloop. `python -m … PORT FOLDER HEADERS`; HEADERS is a JSON file.

uvloop has no `sendfile`, so aiohttp reads every block in a thread and copies it: what a plain aiohttp node would cost.
"""

import asyncio
import json
import sys
from pathlib import Path

import uvloop
from aiohttp import web

BACKLOG = 4096


def build_app(folder: Path, headers: dict[str, str]) -> web.Application:
    async def handle_file(request: web.Request) -> web.StreamResponse:
        # Loopback and our own load generator only, so requested names are files in the folder.
        return web.FileResponse(folder / request.match_info["name"], headers=headers)

    app = web.Application()
    app.router.add_get("/{name:.*}", handle_file)
    return app


async def serve(port: int, folder: Path, headers: dict[str, str]) -> None:
    runner = web.AppRunner(build_app(folder, headers), access_log=None, keepalive_timeout=75)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text())))
