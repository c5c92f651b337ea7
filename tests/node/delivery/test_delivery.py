"""The plan of a delivery: edge values first, then properties over all sizes, ranges and headers."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.node.delivery.plan import (
    IMMUTABLE,
    Blob,
    DeliveryRequest,
    Missed,
    Span,
    parse_http_date,
    parse_range,
    plan_delivery,
)
from edge.wire.plugins.forms import ZipEnd

DIGEST = "ab" * 32
ETAG = f'"{DIGEST}"'
MODIFIED = 784111777.9  # a fraction: file systems have them, HTTP dates do not
MODIFIED_TEXT = "Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER_TEXT = "Sun, 06 Nov 1994 08:49:36 GMT"
LATER_TEXT = "Sun, 06 Nov 1994 08:49:38 GMT"
HUGE = "9" * 5000  # more digits than int() reads


def a_blob(*, kind="file", size=10):
    return Blob(kind, DIGEST, size, MODIFIED)


def plan(*, kind="file", size=10, **asked):
    return plan_delivery(a_blob(kind=kind, size=size), DeliveryRequest(**asked))


@pytest.mark.parametrize(
    ("value", "size", "expected"),
    [
        # the first and the last byte
        ("bytes=0-0", 10, Span(0, 1)),
        ("bytes=9-9", 10, Span(9, 1)),
        ("bytes=9-", 10, Span(9, 1)),
        ("bytes=-1", 10, Span(9, 1)),
        ("bytes=0-0", 1, Span(0, 1)),
        # the whole file, in every way to say it
        ("bytes=0-", 10, Span(0, 10)),
        ("bytes=0-9", 10, Span(0, 10)),
        ("bytes=0-10", 10, Span(0, 10)),
        (f"bytes=0-{HUGE}", 10, Span(0, 10)),
        ("bytes=-10", 10, Span(0, 10)),
        ("bytes=-11", 10, Span(0, 10)),
        (f"bytes=-{HUGE}", 10, Span(0, 10)),
        # at and past the end
        ("bytes=10-", 10, Missed.PAST_END),
        ("bytes=10-10", 10, Missed.PAST_END),
        ("bytes=11-", 10, Missed.PAST_END),
        (f"bytes={HUGE}-", 10, Missed.PAST_END),
        (f"bytes={HUGE}-{HUGE}", 10, Missed.PAST_END),
        ("bytes=-0", 10, Missed.NO_BYTES),
        ("bytes=-000", 10, Missed.NO_BYTES),
        # an empty file
        ("bytes=0-", 0, Missed.PAST_END),
        ("bytes=0-0", 0, Missed.PAST_END),
        ("bytes=-0", 0, Missed.NO_BYTES),
        ("bytes=-1", 0, None),
        # spelling
        ("BYTES=2-3", 10, Span(2, 2)),
        ("bytes= \t2-3 ", 10, Span(2, 2)),
        ("bytes=" + "0" * 400 + "2-3", 10, Span(2, 2)),
        # several, malformed, unknown: as if nothing was asked
        (None, 10, None),
        ("", 10, None),
        ("bytes", 10, None),
        ("bytes=", 10, None),
        ("bytes=-", 10, None),
        ("bytes=0", 10, None),
        ("bytes=3-2", 10, None),
        ("bytes=0-0,2-3", 10, None),
        ("bytes=0-,", 10, None),
        ("bytes=" + "0-," * 1000 + "0-", 10, None),
        ("bytes =0-1", 10, None),
        ("bytes=0 -1", 10, None),
        ("bytes=0--1", 10, None),
        ("bytes=--1", 10, None),
        ("bytes=+1-2", 10, None),
        ("bytes=1_0-", 100, None),
        ("bytes=0x1-2", 10, None),
        ("bytes=١-٢", 10, None),  # digits to int(), not to RFC 9110
        ("bytes=0-1\n", 10, None),
        ("items=0-1", 10, None),
        ("0-1", 10, None),
    ],
    ids=lambda value: str(value)[:24],
)
def test_one_range_is_cut_to_the_file_and_anything_else_is_ignored(value, size, expected):
    assert parse_range(value, size) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        (MODIFIED_TEXT, 784111777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        ("Sun Nov  6 08:49:37 1994", 784111777),
        ("Saturday, 06-Nov-21 08:49:37 GMT", 1636188577),
        ("", None),
        ("0", None),
        ("now", None),
        ("Sun, 06 Nov 1994 08:49:37", None),
        ("Sun, 06 Nov 1994 08:49:37 +0100", None),
        ("Sun, 06 nov 1994 08:49:37 GMT", None),
        ("Sun, 31 Feb 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 0000 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 24:00:00 GMT", None),
        ("Sun, 06 Nov 1994 08:49:60 GMT", None),
    ],
)
def test_http_dates_are_read_in_their_three_forms(text, expected):
    assert parse_http_date(text) == expected


two, four = st.from_regex(r"\d\d", fullmatch=True), st.from_regex(r"\d{4}", fullmatch=True)
near_dates = st.builds(
    "{}, {} {} {} {}:{}:{} GMT".format,
    *(st.sampled_from(["Sun", "Xyz"]), two, st.sampled_from(["Jan", "Feb", "Foo"]), four, two, two, two),
)


@given(st.one_of(near_dates, st.text(max_size=40)))
def test_whatever_reads_as_a_date_is_a_second_of_the_calendar(text):
    seconds = parse_http_date(text)
    if seconds is not None:
        assert formatdate(seconds, usegmt=True)[5:] == text[5:]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": " * "}, 304),
        ({"if_none_match": ETAG}, 304),
        ({"if_none_match": f"W/{ETAG}"}, 304),  # weak comparison, RFC 9110 13.1.2
        ({"if_none_match": f'"x", W/"y",{ETAG} , "z"'}, 304),
        ({"if_none_match": ""}, 200),
        ({"if_none_match": DIGEST}, 200),
        ({"if_none_match": f'"{DIGEST}0"'}, 200),
        ({"if_none_match": f'"0{DIGEST}", "x"'}, 200),
        ({"if_none_match": '"*"'}, 200),
        ({"if_modified_since": MODIFIED_TEXT}, 304),
        ({"if_modified_since": LATER_TEXT}, 304),
        ({"if_modified_since": EARLIER_TEXT}, 200),
        ({"if_modified_since": "yesterday"}, 200),
        # If-None-Match alone decides when it is there, also when it cannot be read
        ({"if_none_match": '"x"', "if_modified_since": LATER_TEXT}, 200),
        ({"if_none_match": "garbage", "if_modified_since": LATER_TEXT}, 200),
        ({"if_none_match": ETAG, "if_modified_since": EARLIER_TEXT}, 304),
        # and both come before any range
        ({"if_none_match": ETAG, "range": "bytes=99-"}, 304),
        ({"if_modified_since": MODIFIED_TEXT, "range": "bytes=0-1"}, 304),
    ],
)
def test_preconditions(method, asked, status):
    assert plan(method=method, **asked).status == status


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"if_match": "*"}, 200),
        ({"if_match": " * "}, 200),
        ({"if_match": ETAG}, 200),
        ({"if_match": f'"x", {ETAG} ,"y"'}, 200),
        ({"if_match": f"W/{ETAG}"}, 412),  # strong comparison, RFC 9110 13.1.1
        ({"if_match": f"W/{ETAG}, {ETAG}"}, 200),
        ({"if_match": '"x"'}, 412),
        ({"if_match": f'"0{DIGEST}", "{DIGEST}0"'}, 412),
        ({"if_match": '"*"'}, 412),
        ({"if_match": DIGEST}, 412),
        ({"if_match": ""}, 412),
        ({"if_unmodified_since": MODIFIED_TEXT}, 200),
        ({"if_unmodified_since": LATER_TEXT}, 200),
        ({"if_unmodified_since": EARLIER_TEXT}, 412),
        ({"if_unmodified_since": "yesterday"}, 200),  # RFC 9110 13.1.4: no date, no condition
        # If-Match alone decides when it is there
        ({"if_match": ETAG, "if_unmodified_since": EARLIER_TEXT}, 200),
        ({"if_match": '"x"', "if_unmodified_since": LATER_TEXT}, 412),
        # and both come before what asks whether the bytes are known already, and before any range
        ({"if_match": '"x"', "if_none_match": ETAG}, 412),
        ({"if_match": ETAG, "if_none_match": ETAG}, 304),
        ({"if_unmodified_since": EARLIER_TEXT, "if_modified_since": LATER_TEXT}, 412),
        ({"if_match": '"x"', "range": "bytes=0-1", "if_range": ETAG}, 412),
        ({"if_match": '"x"', "range": "bytes=99-"}, 412),
    ],
)
def test_preconditions_of_who_means_these_bytes(method, asked, status):
    assert plan(method=method, **asked).status == status


def test_a_range_goes_on_where_its_bytes_are_still_meant():
    assert plan(if_match=ETAG, range="bytes=3-").status == 206


def test_a_412_is_empty_and_not_kept_by_caches():
    answer = plan(if_match='"x"')
    headers = dict(answer.headers)
    assert (headers["Content-Length"], answer.length, headers["Cache-Control"]) == ("0", 0, "no-store")
    assert headers["ETag"] == ETAG


def test_a_304_has_the_validators_and_no_content():
    answer = plan(if_none_match="*")
    assert answer == (304, (("ETag", ETAG), ("Last-Modified", MODIFIED_TEXT), ("Cache-Control", IMMUTABLE)), 0, 0)


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        (None, 206),
        (ETAG, 206),
        (f" {ETAG} ", 206),
        (MODIFIED_TEXT, 206),
        (f"W/{ETAG}", 200),  # strong comparison, RFC 9110 13.1.5
        ('"other"', 200),
        (DIGEST, 200),
        (f"{ETAG}, {ETAG}", 200),
        (EARLIER_TEXT, 200),
        (LATER_TEXT, 200),  # exactly our date, not a later one
        ("", 200),
        ("*", 200),
    ],
)
def test_if_range_continues_only_the_very_same_bytes(if_range, status):
    assert plan(range="bytes=3-", if_range=if_range).status == status


def test_if_range_that_fails_hides_a_range_past_the_end_too():
    assert plan(range="bytes=10-", if_range='"other"').status == 200


@pytest.mark.parametrize("value", ["bytes=10-", "bytes=99-100", f"bytes={HUGE}-"])
@pytest.mark.parametrize(
    ("kind", "end", "status"),
    [
        ("zip", ZipEnd.EMPTY, 206),
        ("zip", ZipEnd.WHOLE, 200),
        ("zip", ZipEnd.REFUSE, 416),
        ("file", ZipEnd.EMPTY, 416),
        ("file", ZipEnd.WHOLE, 416),
        ("file", ZipEnd.REFUSE, 416),
    ],
)
def test_past_the_end_a_zip_answers_as_its_address_says_and_a_file_refuses(kind, end, status, value):
    assert plan(kind=kind, end=end, range=value).status == status


@pytest.mark.parametrize("end", ZipEnd)
def test_the_last_zero_bytes_are_refused_whatever_the_address_says(end):
    assert plan(kind="zip", end=end, range="bytes=-0").status == 416


@pytest.mark.parametrize(
    ("kind", "end"), [("file", ZipEnd.REFUSE), ("zip", ZipEnd.REFUSE), ("zip", ZipEnd.EMPTY)], ids=str
)
def test_nothing_to_send_tells_the_size_and_is_not_kept_by_caches(kind, end):
    answer = plan(kind=kind, end=end, range="bytes=10-")
    headers = dict(answer.headers)
    assert (headers["Content-Range"], headers["Content-Length"], answer.length) == ("bytes */10", "0", 0)
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("value", [None, "bytes=0-", "bytes=10-", "bytes=2-3", "bytes=0-1,3-4"])
def test_head_ignores_range_and_says_what_get_would(value):
    head, get = plan(method="HEAD", range=value), plan()
    assert (head.status, head.headers, head.length) == (get.status, get.headers, 0)


@pytest.mark.parametrize(("kind", "media"), [("zip", "application/zip"), ("file", "application/octet-stream")])
def test_the_headers_of_a_whole_answer(kind, media):
    assert plan(kind=kind) == (
        200,
        (
            ("Content-Length", "10"),
            ("Content-Type", media),
            ("Content-Disposition", "attachment"),
            ("X-Content-Type-Options", "nosniff"),
            ("Accept-Ranges", "bytes"),
            ("ETag", ETAG),
            ("Last-Modified", MODIFIED_TEXT),
            ("Cache-Control", "public, max-age=31536000, immutable, no-transform"),
        ),
        0,
        10,
    )


def test_an_empty_file_is_a_whole_answer_without_bytes():
    answer = plan(size=0)
    assert (answer.status, dict(answer.headers)["Content-Length"], answer.length) == (200, "0", 0)


numbers = st.one_of(st.just(""), st.integers(0, 40).map(str), st.sampled_from([HUGE, "0" * 30, "007"]))
ranges = st.one_of(
    st.none(), st.text(max_size=20), st.builds("bytes={}-{}".format, numbers, numbers), st.just("bytes=0-1,2-3")
)
tags = st.one_of(st.none(), st.sampled_from([ETAG, f"W/{ETAG}", '"x"', "*", MODIFIED_TEXT, ""]), st.text(max_size=20))
blobs = st.builds(
    Blob,
    st.sampled_from(["zip", "file"]),
    st.just(DIGEST),
    st.integers(0, 40),
    st.just(MODIFIED),
    st.sampled_from(["", "dcz"]),
    st.sampled_from(["", 'match="/x"']),
)
requests = st.builds(
    DeliveryRequest, st.sampled_from(["GET", "HEAD"]), ranges, tags, tags, tags, tags, tags, st.sampled_from(ZipEnd)
)


@given(blobs, requests)
def test_status_headers_and_bytes_always_agree(blob, asked):
    answer = plan_delivery(blob, asked)
    headers = dict(answer.headers)
    assert len(headers) == len(answer.headers)
    assert headers.get("Content-Encoding", blob.encoding) == blob.encoding
    assert ("Vary" in headers) is (bool(blob.dictionary) and "Last-Modified" in headers)
    assert headers["ETag"] == f'"{blob.digest}"'
    assert 0 <= answer.offset <= answer.offset + answer.length <= blob.bytes
    if answer.status not in (304, 412) and asked.method == "GET":
        assert headers["Content-Length"] == str(answer.length)
    match answer.status:
        case 200:
            assert "Content-Range" not in headers
            assert (headers["Content-Length"], answer.offset) == (str(blob.bytes), 0)
        case 206 if answer.length:
            last = answer.offset + answer.length - 1
            assert headers["Content-Range"] == f"bytes {answer.offset}-{last}/{blob.bytes}"
        case 206 | 416:
            assert headers["Content-Range"] == f"bytes */{blob.bytes}"
            assert (answer.offset, answer.length) == (0, 0)
        case 412:
            assert "Content-Range" not in headers
            assert answer.length == 0
        case status:
            assert (status, answer.length) == (304, 0)
            assert not {"Content-Length", "Content-Range", "Content-Type"} & set(headers)


@given(st.binary(min_size=1, max_size=200), st.lists(st.integers(1, 199)), st.booleans())
def test_the_parts_of_any_cut_are_the_whole(content, cuts, open_end):
    starts = sorted({0, *(cut for cut in cuts if cut < len(content))})
    ends = [*starts[1:], len(content)]
    assembled = b""
    for first, after in zip(starts, ends, strict=True):
        last = "" if open_end and after == len(content) else after - 1
        answer = plan(size=len(content), range=f"bytes={first}-{last}", if_range=ETAG)
        assert answer.status == 206
        assembled += content[answer.offset : answer.offset + answer.length]
    assert assembled == content


@given(st.binary(min_size=1, max_size=100), st.integers(1, 120))
def test_a_suffix_is_the_last_bytes(content, length):
    answer = plan(size=len(content), range=f"bytes=-{length}")
    assert content[answer.offset : answer.offset + answer.length] == content[-length:]
