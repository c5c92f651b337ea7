import gzip

from edge.node.service.answer_cache import GZIP_MIN_BYTES, Offers, make_body


def test_a_body_is_made_once():
    made = []
    offers = Offers()
    bodies = [offers.get("key", lambda: made.append(1) or b"body") for _ in range(3)]
    assert (len(made), {body.plain for body in bodies}) == (1, {b"body"})


def test_large_bodies_are_compressed_beforehand_and_small_ones_are_not():
    assert make_body(b"x" * (GZIP_MIN_BYTES - 1)).gzipped is None
    assert gzip.decompress(make_body(b"x" * GZIP_MIN_BYTES).gzipped) == b"x" * GZIP_MIN_BYTES


def test_the_least_recently_used_bodies_go_when_the_bytes_run_out():
    offers = Offers(limit_bytes=250)
    for key in "abc":
        offers.get(key, lambda: b"x" * 100)
        offers.get("a", lambda: b"never made again")
    made = []
    offers.get("b", lambda: made.append("b") or b"x")
    offers.get("a", lambda: made.append("a") or b"x")
    assert made == ["b"]
    assert offers.held_bytes <= 250


def test_a_body_above_the_limit_is_still_answered():
    offers = Offers(limit_bytes=10)
    assert offers.get("big", lambda: b"x" * 100).plain == b"x" * 100
