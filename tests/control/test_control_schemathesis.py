"""Requests generated from the OpenAPI document against a running server: no 5xx, no answer the document does not allow.

Every request is sent as it was generated, and again for names that exist, which generated ones never hit. A deep run
also tries the bounds of every field one by one: `EDGE_EXAMPLES=500 pytest tests/control/test_control_schemathesis.py`.
"""

import asyncio
import os
import threading
from contextlib import contextmanager

import pytest
import schemathesis
from aiohttp import web
from control_world import APP, DEVICE, NOW, Secrets, World, digest, pack
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sharing_world import Clock, SharingNode

from edge.control.access.tokens import Tokens
from edge.control.app import build_control_app
from edge.control.doors.table import OPERATIONS
from edge.control.openapi import build_openapi
from edge.domain.changes.commands import (
    Change,
    ChannelSettings,
    CreateApp,
    CreateChannel,
    PutIdSet,
    SegmentSettings,
    SetSegment,
)
from edge.domain.targeting.id_sets import encode_id_set
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key
from edge.store.releases import Releases
from edge.store.signing import load_or_create_writer

DEEP_EXAMPLES = int(os.environ.get("EDGE_EXAMPLES", "0"))  # an operation
EXAMPLES = 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/zstd", "application/msgpack")
def as_it_was_generated(context, value):
    """Bodies that handlers read themselves are bytes, whatever a node makes of them."""
    return value if isinstance(value, bytes) else str(value).encode()


PACKED = pack(page="1")
IDS = encode_id_set([DEVICE])
# What exists, for the names in addresses and bodies: generated ones would nearly all end at the first look-up.
IN_PATH = {"app": APP, "name": "production", "version": "1.0.0", "digest": PACKED.zip, "device": DEVICE}
IN_BODY = {
    "app": "com.generated.app",
    "name": "generated",
    "version": "1.0.0",
    "zip": PACKED.zip,
    "manifest": PACKED.manifest,
    "channel": "production",
    "device": DEVICE,
    "bundle": "1.0.0",
    "steps": ["1%", "50%"],
    "segments": [],
    "first": [],
    "hold_out": "5%",
    "hold_out_group": "control",
    "to": "1.0.0",
    "where": 'in_set("production") || version_os >= "14"',
}

FOLLOWED = "follow_events"  # an answer that goes on until its reader leaves is tried in `routes/feed`
schema = schemathesis.openapi.from_dict(build_openapi(OPERATIONS)).exclude(operation_id=FOLLOWED)


def build_world(folder) -> World:
    store = FsStore(folder / "store")
    node_dir = folder / "node"
    node_dir.mkdir()
    writer = load_or_create_writer(node_dir / "writer.pem")
    trust = open_trust(store, node_dir, NOW, writer)
    releases, tokens = Releases(store, writer, trust), Tokens(store, trust, writer)
    for name, content in (PACKED.blobs | {digest(IDS): IDS}).items():
        store.create(blob_key(name), content)
    for number, command in enumerate(
        (
            CreateApp(app=APP),
            CreateChannel(name="production", settings=ChannelSettings(public=True)),
            PutIdSet(name="production", blob=digest(IDS), ids=1),
            SetSegment(name="production", settings=SegmentSettings(where='in_set("production")')),
        )
    ):
        releases.commit(APP, Change(id=f"first-{number}", at=NOW, by="test", command=command))
    return World(store, releases, tokens, Secrets(tokens))


@contextmanager
def serving(app: web.Application):
    """The address of a server on a loop in a thread of its own: the generated requests are sent by blocking code."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, access_log=None)

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner.addresses[0][1]

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        port = asyncio.run_coroutine_threadsafe(start(), loop).result()
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Its address and the headers of an administrator."""
    folder = tmp_path_factory.mktemp("schemathesis")
    world = build_world(folder)
    # Without a writer of facts, what is asked of them would only be refused.
    (folder / "sharing").mkdir()
    home = SharingNode(folder / "sharing", "homeid", Clock(NOW), sends=False)
    app = build_control_app(world.ports(sharing=world.sharing(home)))
    app.on_cleanup.append(lambda _: home.close())
    with serving(app) as address:
        yield address, {"Authorization": f"Bearer {world.secrets['root']}"}


if DEEP_EXAMPLES:  # collecting these takes ten seconds of each worker that runs any test

    @schema.parametrize()
    @settings(max_examples=DEEP_EXAMPLES, derandomize=True, suppress_health_check=list(HealthCheck))
    def test_answers_match_the_document(case, server):
        judge(case, *server)

else:

    @pytest.mark.parametrize("operation", sorted(each.name for each in OPERATIONS if each.name != FOLLOWED))
    def test_answers_match_the_document(operation, server):
        @given(case=schema.find_operation_by_id(operation).as_strategy())
        @settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=list(HealthCheck))
        def judge_some(case):
            judge(case, *server)

        judge_some()


def judge(case, address, headers) -> None:
    case.validate_response(case.call(base_url=address, headers=headers), checks=CHECKS)
    if case.method != "DELETE":  # or the next ones would find nothing
        case.path_parameters = {name: IN_PATH.get(name, value) for name, value in case.path_parameters.items()}
    if isinstance(case.body, dict):
        case.body = {name: IN_BODY.get(name, value) for name, value in case.body.items()}
    case.validate_response(case.call(base_url=address, headers=headers), checks=CHECKS)
