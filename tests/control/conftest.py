"""Fixtures of the control API: a world, a server on it, and a client that checks every answer."""

import pytest
from control_world import APP, NOW, Api, Secrets, World
from login_world import LoginWorld

from edge.control.access.tokens import Tokens
from edge.control.app import build_control_app
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.releases import Releases
from edge.store.signing import load_or_create_writer


@pytest.fixture
def world(tmp_path):
    store = FsStore(tmp_path / "store")
    node_dir = tmp_path / "node"
    node_dir.mkdir()
    writer = load_or_create_writer(node_dir / "writer.pem")
    trust = open_trust(store, node_dir, NOW, writer)
    tokens = Tokens(store, trust, writer)
    logins = LoginWorld(node_dir, lambda: NOW, tokens, store, trust, writer)
    return World(store, Releases(store, writer, trust), tokens, Secrets(tokens), logins)


@pytest.fixture
def serve(aiohttp_client, world):
    async def start(**ports):
        client = await aiohttp_client(build_control_app(world.ports(**ports)))
        return Api(client, world.secrets)

    return start


@pytest.fixture
async def api(serve):
    return await serve()


@pytest.fixture
async def acme(api):
    """The API with an app."""
    await api("POST", "/v1/apps", {"app": APP})
    return api
