"""What is in use stays, whatever comes once; room is bounded, whatever comes."""

from hypothesis import given
from hypothesis import strategies as st

from edge.node.service.limits.memory import Memory

LIMIT = 12


def ask(memory, key):
    """As its users do: `get`, then `find`, then note what was made the long way. Whether it was known."""
    if memory.get(key) or memory.find(key):
        return True
    memory.note(key, f"of {key}")
    return False


def test_an_entry_is_in_use_from_the_second_time_on():
    memory = Memory(LIMIT)
    assert [ask(memory, "a"), dict(memory), ask(memory, "a"), dict(memory)] == [False, {}, True, {"a": "of a"}]


def test_what_comes_once_pushes_out_nothing_in_use():
    memory = Memory(LIMIT)
    for key in ("a", "b", "a", "b", *range(1_000)):
        ask(memory, key)
    assert set(memory) == {"a", "b"} and memory.held <= LIMIT


def test_what_is_used_meanwhile_outlives_any_number_that_come_twice():
    memory = Memory(LIMIT)
    ask(memory, "a")
    for key in range(1_000):
        ask(memory, key), ask(memory, key)
        assert ask(memory, "a")
    assert memory.held <= LIMIT


def test_what_is_not_used_for_long_goes():
    memory = Memory(LIMIT)
    for key in ("a", "a", *(n // 2 for n in range(2 * LIMIT))):
        ask(memory, key)
    assert not ask(memory, "a")


def test_everything_can_be_forgotten():
    memory = Memory(LIMIT)
    for key in (*range(20), *range(20)):
        ask(memory, key)
    memory.clear()
    assert memory.held == 0


@given(st.lists(st.integers(0, 30), max_size=300))
def test_an_entry_is_its_own_and_there_are_never_too_many(keys):
    memory = Memory(LIMIT)
    for key in keys:
        ask(memory, key)
        assert (memory.get(key) or memory.find(key)) == f"of {key}"
        assert memory.held <= LIMIT
