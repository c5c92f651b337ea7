"""Tells followers which blobs a change will offer, before its head moves: they fetch them meanwhile."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from edge.domain.changes.commands import Command, PublishBundle, SetChannel, StartExperiment, StartRollout
from edge.domain.errors import EdgeError
from edge.domain.manifest import read_manifest
from edge.domain.model import BUILTIN, AppId, AppState, Bundle, VersionName
from edge.domain.patches.document import parse_patches
from edge.regions.feed.events import FeedEvents
from edge.store.blobs import read_blob
from edge.store.objects.port import ObjectStore, blob_key


async def tell_coming(
    events: FeedEvents, store: ObjectStore, load: Callable[[AppId], AppState], app: AppId, command: Command
) -> None:
    """For a change that is about to be made, of the app whose state `load` reads. Costs nothing while nobody follows;
    raises nothing: it is a hint."""
    if not events.is_heard:
        return
    with suppress(EdgeError, OSError):
        bundles = await asyncio.to_thread(_bundles, load, app, command)
        blobs = await asyncio.to_thread(lambda: [each for bundle in bundles for each in _sizes(store, bundle)])
        events.tell_coming(app, blobs)


def _bundles(load: Callable[[AppId], AppState], app: AppId, command: Command) -> list[Bundle]:
    if isinstance(command, PublishBundle):
        return [command.bundle]
    names = _named(command)
    held = load(app).bundles if names else {}
    return [held[VersionName(name)] for name in names if name in held]


def _named(command: Any) -> Sequence[str]:
    """The bundles that a command has a channel offer, by name."""
    match command:
        case SetChannel(settings=settings) if isinstance(settings.bundle, str) and settings.bundle != BUILTIN:
            return [settings.bundle]
        case StartRollout(bundle=bundle):
            return [bundle]
        case StartExperiment(arms=arms):
            return [arm.bundle for arm in arms]
    return []


def _sizes(store: ObjectStore, bundle: Bundle) -> list[tuple[str, int]]:
    """The blobs of a bundle in the order in which they are needed, each with its size: a manifest says what else."""
    found = dict.fromkeys(each for each in (bundle.manifest, bundle.patches) if each is not None)
    if bundle.patches is not None:
        found |= dict.fromkeys(patch.blob for patch in parse_patches(read_blob(store, bundle.patches, "patches")))
    if bundle.manifest is not None:
        found |= dict.fromkeys(entry.blob for entry in read_manifest(read_blob(store, bundle.manifest, "a manifest")))
    return [(digest, store.path(blob_key(digest)).stat().st_size) for digest in (*found, bundle.zip)]
