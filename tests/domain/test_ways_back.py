"""What a channel falls back to, and what never comes back: offering, rolling back, withdrawing, deleting."""

import pytest
from factories import a_bundle, a_change, an_app

from edge.domain.apply import apply
from edge.domain.commands import DeleteBundle, PublishBundle, WithdrawBundle
from edge.domain.errors import Conflict


def test_a_withdrawn_bundle_does_not_come_back_by_deleting_and_publishing_it():
    state = an_app(
        PublishBundle(bundle=a_bundle("1.0.1")),
        WithdrawBundle(version="1.0.1", reason="white screen"),
        DeleteBundle(version="1.0.1"),
    )
    with pytest.raises(Conflict, match="white screen") as caught:
        apply(state, a_change(PublishBundle(bundle=a_bundle("1.0.1"))))
    assert caught.value.code == "bundle_withdrawn"
