"""A probe of every store at start: does it enforce its conditions? A store that ignores them loses releases.

Several nodes may probe at once: none disturbs another.
"""

import logging
import secrets
from contextlib import suppress

from edge.domain.errors import Unavailable
from edge.store.disk.room import cannot_write
from edge.store.objects.port import AlreadyExists, ObjectStore, Stale

PROBE_PREFIX = "probe/"
PROBE_KEY, SWAPPED_KEY = f"{PROBE_PREFIX}conditions", f"{PROBE_PREFIX}swapped"
SWAPS = 20  # other nodes may probe at the same moment
_CONTENT = b"edge probe: this object shows that the store keeps its conditions\n"
_OTHER = b"edge probe: this store ignores conditions\n"
_STALE_TAG = "0" * 64

log = logging.getLogger("edge.store")


def probe(store: ObjectStore) -> None:
    """Create an object twice, swap it with a stale tag and with its own, and list it. Raises Unavailable
    `unsafe_store`, naming the store and what it ignored.

    Where nothing can be written, nothing can be lost: an earlier start's object shows that the store was probed.
    """
    try:
        with suppress(AlreadyExists):  # from an earlier start
            store.create(PROBE_KEY, _CONTENT)
        _expect(store, _create_again(store), "create-if-absent")
        _expect(store, _swap_stale(store), "compare-and-swap")
        _expect(store, _swap_held(store), "the tag that it gave an object")
        _mend(store)
    except OSError as error:
        if not cannot_write(error) or not store.has(PROBE_KEY):
            raise
        log.warning("%s: its file system is not tested at this start: %s", store, error)
    held = store.get(PROBE_KEY)
    _expect(store, held is not None and held.data == _CONTENT, "reading back what was written")
    _expect(store, PROBE_KEY in store.keys(PROBE_PREFIX), "listing what was written")


def _create_again(store: ObjectStore) -> bool:
    try:
        store.create(PROBE_KEY, _CONTENT)
    except AlreadyExists:
        return True
    return False


def _swap_stale(store: ObjectStore) -> bool:
    try:
        store.swap(PROBE_KEY, _OTHER + secrets.token_hex(16).encode(), _STALE_TAG)
    except Stale:
        return True
    return False


def _swap_held(store: ObjectStore) -> bool:
    """Bytes that nobody else writes: a swap that did nothing would show."""
    for _ in range(SWAPS):
        held, mine = store.get(SWAPPED_KEY), secrets.token_hex(16).encode()
        try:
            if held is None:
                store.create(SWAPPED_KEY, mine)
                continue
            tag = store.swap(SWAPPED_KEY, mine, held.tag)
        except (AlreadyExists, Stale):
            continue
        found = store.get(SWAPPED_KEY)
        return found is not None and (found.data == mine or found.tag != tag)
    return False


def _mend(store: ObjectStore) -> None:
    """What the store did when it still ignored its conditions."""
    held = store.get(PROBE_KEY)
    if held is not None and held.data.startswith(_OTHER):
        with suppress(Stale):
            store.swap(PROBE_KEY, _CONTENT, held.tag)


def _expect(store: ObjectStore, kept: bool, condition: str) -> None:
    if not kept:
        raise Unavailable(
            "unsafe_store", f"{store} ignores {condition}: two publishers would overwrite each other's work"
        )
