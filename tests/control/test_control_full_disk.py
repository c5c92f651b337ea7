"""A disk that cannot be written: every operation that writes answers 507 with the reason, and the others go on."""

import errno
import os

import pytest
from control_world import APP, NOW, Secrets, World

from edge.control.access.tokens import Tokens
from edge.store.disk.room import DiskFull
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.releases import Releases
from edge.store.signing import load_or_create_writer

SAID = {errno.ENOSPC: "storage_full", errno.EDQUOT: "storage_full", errno.EROFS: "storage_read_only"}
CHANNELS = f"/v1/apps/{APP}/channels"


class BrokenStore(FsStore):
    """Fails to write with `failure` while there is one."""

    failure = None

    def create(self, key, data):
        self._fail()
        return super().create(key, data)

    def swap(self, key, data, tag):
        self._fail()
        return super().swap(key, data, tag)

    def _fail(self):
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def world(tmp_path):
    store, node_dir = BrokenStore(tmp_path / "store"), tmp_path / "node"
    node_dir.mkdir()
    writer = load_or_create_writer(node_dir / "writer.pem")
    trust = open_trust(store, node_dir, NOW, writer)
    tokens = Tokens(store, trust, writer)
    return World(store, Releases(store, writer, trust), tokens, Secrets(tokens))


def failing(code):
    return OSError(code, os.strerror(code), "/data/store")


@pytest.mark.parametrize("code", SAID)
async def test_what_cannot_be_written_is_refused_with_its_reason_and_the_rest_goes_on(acme, world, code):
    world.store.failure = failing(code)
    assert await acme("POST", CHANNELS, {"name": "beta"}, status=507) == SAID[code]
    assert await acme("POST", "/v1/tokens", {"name": "ci", "role": "reader"}, status=507) == SAID[code]
    assert (await acme("GET", f"/v1/apps/{APP}"))["app"] == APP
    world.store.failure = None
    await acme("POST", CHANNELS, {"name": "beta"})


async def test_another_failure_of_the_disk_is_an_internal_error(acme, world):
    world.store.failure = failing(errno.EIO)
    assert await acme("POST", CHANNELS, {"name": "beta"}, status=500) == "internal_error"


async def test_the_answer_says_where_how_many_bytes_are_missing(acme, world, tmp_path):
    world.store.failure = DiskFull(failing(errno.ENOSPC), tmp_path / "store", 1 << 60)
    headers = {"Authorization": f"Bearer {acme.secrets['root']}"}
    async with acme.client.post(CHANNELS, json={"name": "beta"}, headers=headers) as response:
        told = (await response.json())["message"]
    assert f"{tmp_path}/store: 1,15" in told and "bytes are missing" in told
