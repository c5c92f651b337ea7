"""Requests end: repeated a few times where that is right, counted, and then refused by name."""

import threading

import pytest
from buckets import ACCESS, QUICK, SECRET, a_client
from s3_servers import Clock, refusal

from edge.store.objects.port import StoreLost
from edge.store.s3.client import REQUESTS_LIMIT, BucketClient, RefusedCall
from edge.store.s3.faults import FaultKind

KEY = "heads/a.json"


@pytest.fixture
def client(before_moto):
    made = a_client(before_moto.url)
    made.create(KEY, b"one")
    before_moto.seen.clear()
    return made


def refused(call):
    with pytest.raises(RefusedCall) as caught:
        call()
    error = caught.value.error
    assert isinstance(error, StoreLost)
    assert not {ACCESS, SECRET} & set(error.message.replace(":", " ").split())
    return caught.value


@pytest.mark.parametrize("step", [refusal(503, "SlowDown"), refusal(500, "InternalError"), "drop"])
def test_what_may_succeed_in_a_moment_is_asked_again(before_moto, client, step):
    before_moto.script.extend([step, step])
    assert client.get(KEY).data == b"one"
    assert client.counts.taken()["again"] == 2


@pytest.mark.parametrize(
    ("step", "code", "requests"),
    [
        (refusal(503, "SlowDown"), "store_busy", 4),
        (refusal(500, "InternalError"), "store_failed", 4),
        ("drop", "store_unreachable", 4),
        (refusal(400, "ExpiredToken"), "store_credentials_expired", 4),
        (refusal(403, "InvalidAccessKeyId"), "store_credentials", 1),
        (refusal(403, "AccessDenied"), "store_denied", 1),
        (refusal(403, "RequestTimeTooSkewed"), "store_clock", 1),
        (refusal(400, "AuthorizationHeaderMalformed", "<Region>eu-north-1</Region>"), "store_region", 1),
        (refusal(404, "NoSuchBucket"), "no_bucket", 1),
        (refusal(400, "InvalidArgument"), "store_refused", 1),
    ],
)
def test_each_failure_has_a_code_and_an_end(before_moto, client, step, code, requests):
    before_moto.script.extend([step] * 9)
    assert refused(lambda: client.get(KEY)).error.code == code
    assert len(before_moto.seen) == requests
    assert client.counts.taken()["failed"] == 1


def test_a_call_ends_although_attempts_are_left(before_moto, moto_address):
    clock = Clock()
    client = a_client(before_moto.url, limits=QUICK._replace(call_seconds=0.0), clock=clock, pause=clock.pause)
    before_moto.script.append(refusal(503, "SlowDown"))
    assert refused(lambda: client.get(KEY)).error.code == "store_busy"
    assert len(before_moto.seen) == 1 and clock.pauses == []


def test_an_attempt_that_is_not_answered_ends(before_moto):
    client = a_client(before_moto.url, limits=QUICK._replace(attempt_seconds=0.3, attempts=1))
    before_moto.script.append("hang")
    assert refused(lambda: client.get(KEY)).error.code == "store_unreachable"


def test_who_did_not_answer_is_left_alone_for_a_while(before_moto):
    clock = Clock()
    client = a_client(before_moto.url, clock=clock, pause=clock.pause)
    before_moto.script.extend(["drop"] * 4)
    refused(lambda: client.get(KEY))
    with pytest.raises(StoreLost, match="does not answer"):
        client.get(KEY)
    assert len(before_moto.seen) == 4
    clock.now += QUICK.rest_seconds
    assert refused(lambda: client.get(KEY)).fault.kind is FaultKind.ABSENT


def test_many_at_once_are_refused_rather_than_queued(before_moto):
    client = a_client(before_moto.url, limits=QUICK._replace(attempt_seconds=30.0, attempts=1))
    before_moto.script.extend(["hang"] * REQUESTS_LIMIT)
    threads = [threading.Thread(target=lambda: refused(lambda: client.get(KEY))) for _ in range(REQUESTS_LIMIT)]
    for thread in threads:
        thread.start()
    while len(before_moto.seen) < REQUESTS_LIMIT:
        before_moto.arrived.wait()
        before_moto.arrived.clear()
    with pytest.raises(StoreLost) as caught:
        client.get(KEY)
    assert caught.value.code == "store_busy"
    before_moto.let_go()
    for thread in threads:
        thread.join()


def test_an_unknown_tag_brings_the_object_and_a_known_one_nothing(client):
    tag = client.get(KEY).tag
    assert client.get(KEY, tag) is None
    assert client.get(KEY, "0" * 32).data == b"one"


def test_a_deleted_bucket_is_not_an_absent_object(moto_address):
    client = a_client(moto_address, bucket="edge-nowhere")
    assert refused(lambda: client.get(KEY)).error.code == "no_bucket"
    assert refused(lambda: client.create(KEY, b"")).error.code == "no_bucket"
    assert refused(lambda: client.swap(KEY, b"", "0", quotes=True)).error.code == "no_bucket"


def test_requests_are_counted_by_kind(client):
    client.get(KEY)
    client.head(KEY)
    client.write(KEY, b"two")
    list(client.objects("heads/"))
    client.delete([KEY])
    taken = client.counts.taken()
    assert (taken["get"], taken["head"], taken["put"], taken["list"], taken["delete"]) == (1, 1, 2, 1, 1)


def test_a_missing_extra_names_the_command(monkeypatch):
    """Where the library is not installed, its name leads to nothing."""
    import sys

    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(Exception, match=r"pip install 'edge-updates\[s3\]'"):
        a_client("http://127.0.0.1:1")
    assert BucketClient.__doc__
