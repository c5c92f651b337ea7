"""Accepting a store that went back to an old copy: the restored state, and what the node remembers that it lacks.

A withdrawn bundle stays withdrawn and a used version name keeps its files, as far as the node remembers them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from edge.domain.changes.apps import delete
from edge.domain.changes.bundles import carry_out, retire
from edge.domain.changes.commands import AcceptRestored, DeleteApp, WithdrawBundle
from edge.domain.model import AppState, Retired, VersionName, parse_app_id

OTHER_FILES = "published with other files before the store was restored"


def accept(state: AppState | None, command: AcceptRestored, at: float) -> AppState:
    """`state` is the restored one; None, or a `lost` app, leaves the app as if it had been deleted at `at`, in seconds
    since the epoch. Returns a new state even where nothing else changes: the revision is the record."""
    if state is None:
        state = AppState(app=parse_app_id(command.app), revision=0, deleted=at)
    elif command.lost:
        state = delete(state, DeleteApp(app=state.app), at)
    state = replace(state, proposals={})  # what people decided on them since is lost
    for version, remembered in command.names.items():
        state = _with_name(state, VersionName(version), remembered, at)
    return state


def names_of(state: AppState) -> dict[VersionName, Retired]:
    """Every version name that the app has used, with what it stands for."""
    return {**{version: retire(bundle, 0.0) for version, bundle in state.bundles.items()}, **state.retired}


def names_to_restore(state: AppState | None, remembered: Mapping[VersionName, Retired]) -> dict[str, Retired]:
    """Those of the remembered names that the state does not know, or knows as something else."""
    return dict(_differing(names_of(state) if state is not None else {}, remembered))


def _differing(
    known: Mapping[VersionName, Retired], remembered: Mapping[VersionName, Retired]
) -> Iterator[tuple[str, Retired]]:
    for version, name in remembered.items():
        held = known.get(version)
        if held is None or held.content != name.content or (name.withdrawn and not held.withdrawn):
            yield version, name


def _with_name(state: AppState, version: VersionName, remembered: Retired, at: float) -> AppState:
    known = state.bundles.get(version) or state.retired.get(version)
    if known is None:
        return replace(state, retired={**state.retired, version: remembered})
    reason = remembered.withdrawn or (OTHER_FILES if known.content != remembered.content else "")
    if not reason or known.withdrawn:
        return state
    if isinstance(known, Retired):
        return replace(state, retired={**state.retired, version: replace(known, withdrawn=reason)})
    return carry_out(state, WithdrawBundle(version=version, reason=reason), at, change_id="")
