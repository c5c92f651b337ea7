"""A page on the control API's world: real store, releases and tokens."""

import pytest
from control_world import APP, NOW, Api, Secrets, World
from login_world import LoginWorld
from page_world import Browser

from edge.control.access.tokens import Tokens
from edge.control.app import build_control_app
from edge.control.doors.inner_api import InnerApi
from edge.page.app import add_page
from edge.page.door.hosts import HostNames
from edge.page.door.login_links import LoginLinks
from edge.page.house import House
from edge.page.publishing.drops import Drops
from edge.page.views.remembering import AnswerMemory
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.releases import Releases
from edge.store.signing import load_or_create_writer


class Clock:
    """The node's clock, which a test sets."""

    def __init__(self):
        self.at = NOW

    def now(self):
        return self.at


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def world(tmp_path, clock):
    store, node_dir = FsStore(tmp_path / "store"), tmp_path / "node"
    node_dir.mkdir()
    writer = load_or_create_writer(node_dir / "writer.pem")
    trust = open_trust(store, node_dir, NOW, writer)
    tokens = Tokens(store, trust, writer)
    logins = LoginWorld(node_dir, clock.now, tokens, store, trust, writer)
    return World(store, Releases(store, writer, trust), tokens, Secrets(tokens), logins)


@pytest.fixture
def links():
    return LoginLinks()


@pytest.fixture
async def drops(tmp_path):
    return Drops(tmp_path / "drops")


@pytest.fixture
async def open_page(aiohttp_client, world, clock, links, drops):
    """Serves the API and the page; gives a browser without a session."""
    servers = []

    async def start(people=None, secure=False, **ports):
        made = world.ports(**ports)
        app = build_control_app(made)
        house = House(
            inner=InnerApi(made, app),
            tokens=world.tokens,
            hosts=HostNames("127.0.0.1", ("edge.example.com",)),
            links=links,
            now=clock.now,
            secure=secure,
            people=people,
            node="eu-1",
            origin=made.origin,
            drops=drops,
            memory=AnswerMemory(clock.now),
        )
        add_page(app, house)
        client = await aiohttp_client(app)
        servers.append(client)
        return Browser(client, world.secrets)

    return start


@pytest.fixture
async def browser(open_page):
    return await open_page()


@pytest.fixture
async def root(browser):
    """A browser that is signed in as an admin."""
    await browser.sign_in("root")
    return browser


@pytest.fixture
def publish(browser):
    """Publishes a version of APP over the API, in a channel that it makes if there is none."""
    api = Api(browser.client, browser.secrets)

    async def run(version, channel=None, build=None):
        apps = {each["app"] for each in await api("GET", "/v1/apps")}
        if APP not in apps:
            await api("POST", "/v1/apps", {"app": APP})
        if channel is not None and not await api("GET", f"/v1/apps/{APP}/channels"):
            await api("POST", f"/v1/apps/{APP}/channels", {"name": channel, "public": True})
        await api.publish(version, build, **({"channel": channel} if channel else {}))

    return run


@pytest.fixture
def logins(world):
    """People who may sign in to a page that is opened with `people=logins.login`."""
    return world.logins.fill()
