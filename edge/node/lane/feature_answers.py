"""A request for an app's features, answered in one call; and what a browser asks before it."""

import asyncio
from time import perf_counter

from edge.node.lane.context import LaneContext
from edge.node.lane.requests import RequestHead
from edge.node.observing.traffic import FEATURES
from edge.node.service.peers import Whence


def answer_features(
    context: LaneContext, transport: asyncio.WriteTransport, head: RequestHead, whence: Whence, body: bytes
) -> bool:
    """False: nothing was written, since the answer has to wait for something."""
    ask, traffic = head.features, context.traffic
    begun = 0.0 if traffic.access is None else perf_counter()
    if ask is None:
        sent = context.answers.write_preflight(transport, head.closes)
        context.record_answer(whence, head, 204, sent, begun, "")
        return True
    reply = context.service.features.take_bulk(ask, body, whence)
    if reply is None:
        return False
    sent = context.answers.write_features(transport, reply, head.closes, head.takes_gzip)
    if traffic.access is None:
        traffic.note(FEATURES, reply.status, sent)
    else:
        context.record_answer(whence, head, reply.status, sent, begun, reply.app)
    return True
