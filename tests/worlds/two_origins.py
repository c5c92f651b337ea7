"""Two origins, as processes, that write to one bucket: of a server in memory, through one that counts requests.

async with TwoOrigins() as world:
    await asyncio.to_thread(world.admins[0].send, "POST", "/v1/apps", {"app": APP})
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from edge.cli.terminal.client import ControlClient
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.s3.opening import open_bucket, place_of
from edge.store.signing import load_or_create_writer
from tests.worlds.region_node import RegionNode
from tests.worlds.s3_servers import BUCKET, interposed, keys_file, make_bucket, moto_server

PREFIX = "two"
NODE: dict[str, Any] = {
    "role": "origin",
    "devices": {"host": "127.0.0.1", "port": 0, "workers": 1},
    "control": {"port": 0},
}


class TwoOrigins:
    """`count` 1 is one of them. `server` has the requests in `seen`."""

    admins: list[ControlClient]

    def __init__(self, count: int = 2) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="edge-origins-"))
        self._stack = ExitStack()
        self._count = count
        self.nodes: list[RegionNode] = []

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    def requests(self, since: int = 0) -> Counter[str]:
        """By kind, as a store counts them."""
        return Counter(kind_of(method, path) for method, path, _ in self.server.seen[since:])

    async def _start(self) -> None:
        behind = self._stack.enter_context(moto_server())
        make_bucket(behind)
        self.server = self._stack.enter_context(interposed(behind))
        url, keys = f"s3://{BUCKET}/{PREFIX}", keys_file(self.folder)
        store = {"url": url, "endpoint": self.server.url, "path_style": True, "credentials_file": str(keys)}
        self.nodes = [
            RegionNode(self.folder / name, name, {**NODE, "region": name, "store": store})
            for name in ("first", "second")[: self._count]
        ]
        await self.nodes[0].start()
        for node in self.nodes[1:]:
            await asyncio.to_thread(self._list, node, url, keys)
            await node.start()
        token = self.nodes[0].admin_token  # tokens are in the bucket
        self.admins = [node.client(token) for node in self.nodes]

    def _list(self, node: RegionNode, url: str, keys: Path) -> None:
        """As `edge keys add` does on the first origin, whose store it is."""
        own = node.data_dir / "node"
        own.mkdir(mode=0o700, parents=True)
        added = load_or_create_writer(own / "writer.key").public
        first = self.nodes[0].data_dir
        place = place_of(url, endpoint=self.server.url, path_style=True, credentials_file=str(keys))
        bucket = open_bucket(place, FsStore(first / "store"))
        root = load_or_create_writer(first / "node" / "writer.key")
        open_trust(bucket, first / "node", 0.0, root).add_writer(root, added, 0.0)

    async def _end(self) -> None:
        for admin in getattr(self, "admins", []):
            admin.close()
        await asyncio.gather(*(node.stop() for node in self.nodes))
        self._stack.close()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)


def kind_of(method: str, path: str) -> str:
    """Of `edge.store.s3.request_counts`."""
    if method == "GET":
        return "list" if "list-type" in path else "get"
    return {"HEAD": "head", "DELETE": "delete"}.get(
        method, "part" if "uploadId" in path or "uploads" in path else "put"
    )
