"""Conditional writes whose answers may be lost, on servers that compare tags in quotes and on those that do not."""

from collections.abc import Callable

from edge.store.objects.port import AlreadyExists, Stale
from edge.store.s3.client import BucketClient, BucketObject, RefusedCall
from edge.store.s3.faults import FaultKind


def create(bucket: BucketClient, key: str, data: bytes) -> str:
    """Returns the tag. Raises AlreadyExists, RefusedCall.

    The server may have carried out an attempt whose answer did not arrive; the next one then meets its own bytes.
    """
    try:
        return bucket.create(key, data)
    except RefusedCall as refused:
        if refused.fault.kind is not FaultKind.EXISTS:
            raise
        held = _held(bucket, key) if refused.unsure else None
        if held is None or held.data != data:
            raise AlreadyExists(key) from refused
        return held.tag


def swap(
    bucket: BucketClient,
    key: str,
    data: bytes,
    tag: str,
    meet: Callable[[BucketObject], None] = lambda held: None,
) -> str:
    """Returns the new tag. Raises Stale, RefusedCall.

    As `create`, and: a server that compares tags without quotes refuses the right one in quotes, so it is asked again
    without. Two writers never swap in the same bytes: each signs what it writes. `meet` is called with what another
    writer swapped in.
    """
    try:
        return bucket.swap(key, data, tag, quotes=bucket.quotes)
    except RefusedCall as refused:
        if refused.fault.kind is not FaultKind.CHANGED:
            raise
    held = _held(bucket, key)
    if held is not None and held.data == data:
        return held.tag  # ours
    if held is None or held.tag != tag:
        if held is not None:
            meet(held)
        raise Stale(key)
    try:
        done = bucket.swap(key, data, tag, quotes=not bucket.quotes)
    except RefusedCall as refused:
        if refused.fault.kind is not FaultKind.CHANGED:
            raise
        raise Stale(key) from refused
    bucket.quotes = not bucket.quotes
    return done


def _held(bucket: BucketClient, key: str) -> BucketObject | None:
    try:
        return bucket.get(key)
    except RefusedCall as refused:
        if refused.fault.kind is FaultKind.ABSENT:
            return None
        raise
