"""The first thing that a node sees of the store that it follows: the key set, which it pins and goes on from.

With `root`, nobody has to be trusted for it; without, the source of that moment is.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from edge.domain.errors import EdgeError
from edge.regions.pace import wait_seconds
from edge.regions.source import SourceLost, TruthSource
from edge.store.key_set import KEY_SET_KEY, follow_trust
from edge.store.keys.pin import PIN_FILE
from edge.store.objects.fs import FsStore
from edge.store.stored_document import Untrusted

SIGHT_SECONDS = 30.0  # for one try
AGAIN_SECONDS = 2.0  # until the next, at first

log = logging.getLogger("edge.follow")


async def wait_for_first_sight(
    source: TruthSource,
    mirror: FsStore,
    node_dir: Path,
    root: str,
    draw: Callable[[], float],
    pause_seconds: float = AGAIN_SECONDS,
) -> None:
    """Returns when this node has pinned the root of a key set: tries until the source answers. Raises Untrusted."""
    failures = 0
    while not (node_dir / PIN_FILE).exists():
        try:
            await see_first(source, mirror, node_dir, root)
        except Untrusted:
            raise
        except (EdgeError, OSError) as error:
            failures += 1
            tell = log.warning if failures == 1 else log.debug
            tell("nothing is here yet, and %s cannot be followed now; trying again: %s", source.name, error)
            await asyncio.sleep(wait_seconds(pause_seconds, failures, draw))


async def see_first(source: TruthSource, mirror: FsStore, node_dir: Path, root: str) -> None:
    """Take the source's key set. Raises SourceLost, SourceRefuses, OSError, and Untrusted if it is damaged, or does not
    go back to `root`."""
    try:
        async with asyncio.timeout(SIGHT_SECONDS):
            documents = await source.documents({})
    except TimeoutError as error:
        raise SourceLost("source_lost", f"{source.name} does not answer") from error
    content = next((each.content for each in documents if each.key == KEY_SET_KEY), b"")
    if not content:
        raise SourceLost("no_key_set", f"{source.name} has no key set yet: start its origin first")
    await asyncio.to_thread(follow_trust, mirror, node_dir, content, root)
