"""A node followed over TLS, as across machines: a real node's own TLS, its certificate verified."""

import asyncio
import hashlib
import os
import ssl
from contextlib import aclosing

import pytest
from certificates import a_certificate
from running_node import serving_node, web_build, write_folder

from edge.regions.source import HeadsMoved, SourceLost
from edge.regions.sources.node import NodeSource
from edge.regions.upstream import Upstream
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key

APP = "com.acme.app"
LARGE = os.urandom(5_000_000)
DIGEST = hashlib.sha256(LARGE).hexdigest()

pytestmark = pytest.mark.long


async def test_a_node_is_followed_over_tls(tmp_path, monkeypatch):
    pair = a_certificate(tmp_path)
    monkeypatch.setenv(
        "SSL_CERT_FILE", pair.certificate
    )  # for the command; a session's authorities are those of its start
    settings = {"EDGE_CONTROL_TLS_CERTIFICATE": pair.certificate, "EDGE_CONTROL_TLS_KEY": pair.key}
    with serving_node(tmp_path, **settings) as node:
        node.control = node.control.replace("http://127.0.0.1", "https://localhost")
        FsStore(node.data_dir / "store").create(blob_key(DIGEST), LARGE)
        admin = (node.data_dir / "node" / "admin.token").read_text().strip()

        async def edge(*words):
            return await asyncio.to_thread(node.json, *words, env={"EDGE_TOKEN": admin})

        made = await edge("token", "create", "eu-1", "--role", "node")
        (tmp_path / "token").write_text(made["token"])
        context = ssl.create_default_context(cafile=pair.certificate)
        source = NodeSource(Upstream(node.control, tmp_path / "token", tls=context))
        for start in (0, 1_234_567):
            content = b"".join([piece async for piece in source.blob(DIGEST, start)])
            assert content == LARGE[start:]
        async with aclosing(source.events()) as events:
            assert await anext(events) == HeadsMoved()
            await edge("app", "create", APP)
            assert isinstance(await anext(events), HeadsMoved)
        await edge("channel", "create", APP, "production", "--public")
        build = write_folder(tmp_path / "build", web_build(1))
        await edge("bundle", "publish", APP, build, "--version", "1.0.1", "--channel", "production")
        assert {each.key for each in await source.documents({})} >= {"keys/writers.json", "access/tokens.json"}
        await source.close()
        strict = NodeSource(Upstream(node.control, tmp_path / "token"))
        with pytest.raises(SourceLost, match="its certificate is refused"):
            await strict.documents({})
        await strict.close()
