"""The state after a restored one was accepted."""

from dataclasses import replace

import pytest
from factories import APP, NOW, a_bundle, a_change, a_released_app, digest

from edge.domain.changes.acceptance import OTHER_FILES, names_of, names_to_restore
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import AcceptRestored, CreateApp, PublishBundle, StartRollout, Undo, WithdrawBundle
from edge.domain.errors import Conflict
from edge.domain.model import Phase


def moved_on(state, *commands):
    for command in commands:
        state = apply(state, a_change(command, id=f"after-{state.revision}"))
    return state


def accepted(restored, latest, **fields):
    names = names_to_restore(restored, names_of(latest))
    command = AcceptRestored(app=APP, seen=latest.revision, names=names, **fields)
    return apply(restored, a_change(command, id="accept", at=NOW + 60))


def test_its_number_is_past_all_that_were_seen():
    restored = a_released_app()
    latest = moved_on(restored, PublishBundle(bundle=a_bundle("1.0.2")), PublishBundle(bundle=a_bundle("1.0.3")))
    assert accepted(restored, latest).revision == latest.revision + 1


def test_it_is_a_revision_although_nothing_else_changes():
    restored = a_released_app()
    after = accepted(restored, restored)
    assert replace(after, revision=restored.revision, recent=restored.recent) == restored
    assert after.revision == restored.revision + 1


def test_a_bundle_that_was_withdrawn_since_is_withdrawn_and_its_rollout_ends():
    start = StartRollout(channel="production", bundle="1.0.2", steps=(10_000,))
    restored = moved_on(a_released_app(), PublishBundle(bundle=a_bundle("1.0.2")), start)
    latest = moved_on(restored, WithdrawBundle(version="1.0.2", reason="it crashes"))
    after = accepted(restored, latest)
    assert after.bundles["1.0.2"].withdrawn == "it crashes"
    assert after.channels["production"].rollout.phase is Phase.ROLLED_BACK


def test_a_name_that_was_used_since_stays_taken_and_its_own_files_may_return():
    restored = a_released_app()
    bundle = a_bundle("1.0.2")
    after = accepted(restored, moved_on(restored, PublishBundle(bundle=bundle)))
    assert "1.0.2" not in after.bundles
    with pytest.raises(Conflict, match="was published with other files"):
        moved_on(after, PublishBundle(bundle=replace(bundle, content=digest("others"))))
    assert "1.0.2" in moved_on(after, PublishBundle(bundle=bundle)).bundles


def test_a_name_that_stands_for_other_files_in_the_restored_state_is_withdrawn():
    restored = moved_on(a_released_app(), PublishBundle(bundle=a_bundle("1.0.2")))
    latest = replace(restored, bundles={**restored.bundles, "1.0.2": a_bundle("1.0.2", content=digest("others"))})
    assert accepted(restored, latest).bundles["1.0.2"].withdrawn == OTHER_FILES


def test_an_app_that_was_not_there_yet_is_as_if_deleted():
    latest = a_released_app()
    for restored, fields in ((None, {}), (latest, {"lost": True})):
        after = accepted(restored, latest, **fields)
        assert (after.deleted, set(after.retired), after.channels) == (NOW + 60, {"1.0.1"}, {})
        again = moved_on(after, CreateApp(app=APP))
        with pytest.raises(Conflict, match="was published with other files"):
            moved_on(again, PublishBundle(bundle=a_bundle("1.0.1", content=digest("others"))))


def test_it_cannot_be_undone():
    restored = a_released_app()
    after = accepted(restored, moved_on(restored, PublishBundle(bundle=a_bundle("1.0.2"))))
    with pytest.raises(Conflict) as refused:
        apply(after, a_change(Undo(revision=after.revision, force=True), id="undo"), restored)
    assert refused.value.code == "nothing_to_undo"
