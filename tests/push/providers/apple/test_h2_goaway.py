"""GOAWAY frames are cut out at every cut of the bytes, and nothing else is."""

import pytest

from edge.push.providers.apple.h2_goaway import GoAway, GoAwayCutter, OverlongGoAway


def frame(kind, payload, stream=0):
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + stream.to_bytes(4, "big") + payload


def goaway(last, said=b""):
    return frame(7, last.to_bytes(4, "big") + bytes(4) + said)


OTHERS = [frame(4, b"\x00" * 6), frame(1, b"head" * 5, 1), frame(0, b"", 1), frame(0, b"body" * 100, 1)]


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 10, 17, 1_000])
def test_others_pass_whole_and_a_goaway_is_read_wherever_it_is_cut(size):
    data = OTHERS[0] + goaway(5, b'{"reason":"Shutdown"}') + b"".join(OTHERS[1:]) + goaway(7)
    cutter, passed, found = GoAwayCutter(), b"", []
    for at in range(0, len(data), size):
        rest, more = cutter.cut(data[at : at + size])
        passed, found = passed + rest, found + more
    assert passed == b"".join(OTHERS)
    assert found == [GoAway(5, '{"reason":"Shutdown"}'), GoAway(7, "")]


def test_the_highest_bit_is_not_part_of_the_stream():
    assert GoAwayCutter().cut(goaway(0x8000_0003))[1] == [GoAway(3, "")]


@pytest.mark.parametrize("head", [b"\x00\x00\x07\x07\x00\x00\x00\x00\x00", b"\xff\xff\xff\x07\x00\x00\x00\x00\x00"])
def test_a_frame_of_no_sense_is_refused(head):
    with pytest.raises(OverlongGoAway):
        GoAwayCutter().cut(head)
