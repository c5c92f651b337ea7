"""The one table of operations: the routes, permissions, limits and the OpenAPI document come from it."""

import asyncio
from functools import cache
from typing import Any

import msgspec

from edge.control.calls import Call
from edge.control.openapi import build_openapi
from edge.control.operations import Operation
from edge.control.routes import apps as routes_apps
from edge.control.routes import blobs as routes_blobs
from edge.control.routes import bundles as routes_bundles
from edge.control.routes import channels as routes_channels
from edge.control.routes import devices as routes_devices
from edge.control.routes import experiments as routes_experiments
from edge.control.routes import explain as routes_explain
from edge.control.routes import id_sets as routes_id_sets
from edge.control.routes import inspect as routes_inspect
from edge.control.routes import messages as routes_messages
from edge.control.routes import pruning as routes_pruning
from edge.control.routes import rollouts as routes_rollouts
from edge.control.routes import segments as routes_segments
from edge.control.routes import store as routes_store
from edge.control.routes.administration import audit as routes_audit
from edge.control.routes.administration import groups as routes_groups
from edge.control.routes.administration import invitations as routes_invitations
from edge.control.routes.administration import nodes as routes_nodes
from edge.control.routes.administration import people as routes_people
from edge.control.routes.administration import push_credentials as routes_push_credentials
from edge.control.routes.administration import roles as routes_roles
from edge.control.routes.administration import tokens as routes_tokens
from edge.control.routes.administration import webhooks as routes_webhooks
from edge.control.routes.approvals import freezes as routes_freezes
from edge.control.routes.approvals import proposals as routes_proposals
from edge.control.routes.features import features_table as routes_features
from edge.control.routes.feed import blobs as routes_feed_blobs
from edge.control.routes.feed import documents as routes_feed_documents
from edge.control.routes.feed import events as routes_feed_events
from edge.control.routes.feed import facts as routes_feed_facts
from edge.control.routes.feed import revisions as routes_feed_revisions
from edge.control.routes.feed import segments as routes_feed_segments
from edge.control.routes.figures import definitions as routes_definitions
from edge.control.routes.figures import outcomes as routes_outcomes
from edge.control.routes.figures import releases as routes_releases
from edge.control.routes.figures import sides as routes_sides
from edge.control.routes.figures import stats as routes_stats
from edge.control.routes.figures import telemetry as routes_telemetry
from edge.control.routes.guard import guard_routes as routes_guard
from edge.control.routes.insight import bundle_changes as routes_bundle_changes
from edge.control.routes.insight import device_story as routes_device_story
from edge.control.routes.insight import segment_reach as routes_segment_reach


async def handle_openapi(call: Call[None]) -> msgspec.Raw:
    return await asyncio.to_thread(encode_openapi)


@cache
def encode_openapi() -> msgspec.Raw:
    """Once per process: anyone may ask for the document, and building it takes a core for a moment."""
    return msgspec.Raw(msgspec.json.encode(build_openapi(OPERATIONS)))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="openapi",
        method="GET",
        path="/v1/openapi.json",
        summary="Show this OpenAPI document",
        permission=None,
        handle=handle_openapi,
        answer=dict[str, Any],
    ),
    *routes_inspect.OPERATIONS,
    *routes_stats.OPERATIONS,
    *routes_sides.OPERATIONS,
    *routes_releases.OPERATIONS,
    *routes_definitions.OPERATIONS,
    *routes_explain.OPERATIONS,
    *routes_apps.OPERATIONS,
    *routes_bundles.OPERATIONS,
    *routes_bundle_changes.OPERATIONS,
    *routes_messages.OPERATIONS,
    *routes_pruning.OPERATIONS,
    *routes_blobs.OPERATIONS,
    *routes_channels.OPERATIONS,
    *routes_rollouts.OPERATIONS,
    *routes_guard.OPERATIONS,
    *routes_proposals.OPERATIONS,
    *routes_freezes.OPERATIONS,
    *routes_experiments.OPERATIONS,
    *routes_segments.OPERATIONS,
    *routes_features.OPERATIONS,
    *routes_segment_reach.OPERATIONS,
    *routes_id_sets.OPERATIONS,
    *routes_devices.OPERATIONS,
    *routes_device_story.OPERATIONS,
    *routes_outcomes.OPERATIONS,
    *routes_tokens.OPERATIONS,
    *routes_people.OPERATIONS,
    *routes_groups.OPERATIONS,
    *routes_roles.OPERATIONS,
    *routes_invitations.OPERATIONS,
    *routes_webhooks.OPERATIONS,
    *routes_push_credentials.OPERATIONS,
    *routes_nodes.OPERATIONS,
    *routes_store.OPERATIONS,
    *routes_audit.OPERATIONS,
    *routes_feed_facts.OPERATIONS,
    *routes_feed_segments.OPERATIONS,
    *routes_telemetry.OPERATIONS,
    *routes_feed_documents.OPERATIONS,
    *routes_feed_revisions.OPERATIONS,
    *routes_feed_blobs.OPERATIONS,
    *routes_feed_events.OPERATIONS,
)
