"""Removing old bundles that no channel needs. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from edge.domain.changes.bundles import forgetting, retire
from edge.domain.changes.commands import PruneBundles
from edge.domain.errors import Invalid
from edge.domain.model import AppState, Channel, VersionName
from edge.domain.states import good_ones

KEEP_LIMIT = 100_000  # more than an app's revision can hold


def prune(state: AppState, command: PruneBundles, at: float) -> AppState:
    """The state without all but the newest `keep` bundles and those that a channel needs. Raises Invalid
    `invalid_keep`."""
    if not 0 <= command.keep <= KEEP_LIMIT:
        raise Invalid("invalid_keep", f"keep must be between 0 and {KEEP_LIMIT}")
    oldest_first = sorted(state.bundles.values(), key=lambda bundle: bundle.published)
    kept = {bundle.version for bundle in oldest_first[max(0, len(oldest_first) - command.keep) :]}
    kept.update(version for channel in state.channels.values() for version in needed_by(state, channel))
    gone = {version: retire(bundle, at) for version, bundle in state.bundles.items() if version not in kept}
    if not gone:
        return state
    return replace(
        state,
        bundles={version: bundle for version, bundle in state.bundles.items() if version in kept},
        retired={**state.retired, **gone},
        channels={name: forgetting(channel, gone) for name, channel in state.channels.items()},
    )


def needed_by(state: AppState, channel: Channel) -> Iterator[VersionName]:
    """What the channel offers, rolls out, tries in an experiment, or can fall back to."""
    if channel.bundle is not None:
        yield channel.bundle
    if channel.rollout is not None and channel.rollout.phase.is_active:
        yield channel.rollout.bundle
    if channel.experiment is not None:
        yield from (arm.bundle for arm in channel.experiment.arms)
    yield from good_ones(state, channel)
