"""Refusals as the page says them: a choice of the form in the place of a flag."""

import pytest

from edge.page.acts.insisting import AGAIN, DOWNGRADE, FORCE, insisting_inputs, on_page

SAID = {
    "publish a higher version, or pass --again if you mean it": "publish a higher version",
    "this undo would x; add --force if you mean it": "this undo would x",
    "roll it back (`edge rollback a b`), or end it with this change: --force": "roll it back (`edge rollback a b`)",
    "export with --with-keys, or put the key there first": "export with --with-keys, or put the key there first",
}


@pytest.mark.parametrize("message", SAID)
def test_a_refusal_names_no_flag_of_the_command_line(message):
    assert on_page(message) == SAID[message]


def test_only_a_flag_that_the_operation_has_is_a_choice():
    (choice,) = insisting_inputs({}, (DOWNGRADE, AGAIN), "taken_back", "it was, or pass --again if you mean it")
    assert (choice.name, choice.error) == (AGAIN, "it was. [taken_back]")
    assert insisting_inputs({}, (DOWNGRADE, AGAIN), "rollout_active", "a rollout runs") == []
    both = insisting_inputs({"again": "yes"}, (DOWNGRADE, AGAIN, FORCE), "lower_version", "it is")
    assert [(each.name, each.value) for each in both] == [(DOWNGRADE, ""), (AGAIN, "yes")]
