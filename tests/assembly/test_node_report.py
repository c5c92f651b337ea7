"""The node's status for the control API, and what it says of a store that is refused."""

import asyncio
import shutil

from factories import APP
from node_world import PROMPT_SECONDS, a_config, a_truth, publish, running

from edge.assembly.collecting import Collecting
from edge.assembly.counting.own_names import OwnNames
from edge.assembly.folding import Folding
from edge.assembly.node_report import NodeConditions
from edge.config import Log, Telemetry, WebhookRules
from edge.control.access.tokens import Tokens
from edge.control.upload_quota import UploadQuota
from edge.messages.messaging import Messaging
from edge.store.heads import shard_of
from edge.store.objects.port import revision_key


async def test_the_status_names_what_a_scrub_cannot_read_while_workers_serve_it(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    async with running(a_config(tmp_path), truth) as (supervisor, _):
        folding = Folding(truth, truth.node, Telemetry(), Log(), OwnNames(truth.releases))
        quota = UploadQuota(tmp_path / "quota", 0, 0.0)
        messaging = Messaging(truth.node_dir, WebhookRules())
        tokens = Tokens(truth.store, truth.trust, truth.writer)
        report = NodeConditions(truth, supervisor, folding, tokens, Collecting(truth, 90), quota, messaging)
        head = truth.releases.heads()[APP]
        truth.store.path(revision_key(APP, head.revision, head.digest)).write_bytes(b"x")
        assert await supervisor.scrubbing.round()
        status = await report.status()
        assert [(each.app, each.name) for each in status.damaged] == [(APP, str(head.revision))]
        assert "edge_scrub_unreadable_apps 1" in (await report.metrics()).decode()


async def test_the_status_names_what_is_refused_and_metrics_count_it(tmp_path):
    truth = a_truth(tmp_path)
    tokens = Tokens(truth.store, truth.trust, truth.writer)
    tokens.register_first("edge_" + "a" * 43, 0.0)
    async with running(a_config(tmp_path), truth) as (supervisor, _):
        folding = Folding(truth, truth.node, Telemetry(), Log(), OwnNames(truth.releases))
        quota = UploadQuota(tmp_path / "quota", 0, 0.0)
        messaging = Messaging(truth.node_dir, WebhookRules())
        report = NodeConditions(truth, supervisor, folding, tokens, Collecting(truth, 90), quota, messaging)
        status = await report.status()
        assert (status.refused, status.apps, len(status.workers)) == ({}, 1, 2)
        for folder in ("heads", "access", "keys"):
            shutil.rmtree(tmp_path / "store" / folder)
        tokens.check()
        truth.check_keys()
        async with asyncio.timeout(PROMPT_SECONDS):
            while not (status := await report.status()).damaged:
                await asyncio.sleep(0.05)
        assert {shard_of(APP), "keys", "tokens"} <= status.refused.keys()
        assert [(each.app, each.grain, each.name) for each in status.damaged] == [("*", "head", shard_of(APP))]
        metrics = (await report.metrics()).decode()
        for name in (shard_of(APP), "keys", "tokens"):
            assert f'edge_heads_refused{{shard="{name}"}} 1' in metrics
