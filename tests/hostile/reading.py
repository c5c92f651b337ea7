"""Answers of a node out of a stream of bytes, and what must hold of every one of them."""

import json
import re
from typing import NamedTuple

from tests.hostile.cases import Case

ANSWER_LIMIT_BYTES = 1 << 20  # no answer to these requests is near it; a longer one would be somebody's memory

_MARKER = re.compile(rb"mk[0-9a-f]{8}")
_SENT_LENGTH = re.compile(rb"[0-9]{1,10}")
_CONTENT_RANGE = re.compile(rb"bytes (\d+)-(\d+)/(\d+)")
# Words of our insides; none of them is in any answer, however wrong the request.
_INSIDES = (
    b"Traceback",
    b'File "',
    b"aiohttp.",
    b"msgspec",
    b"site-packages",
    b"Error(",
    b"Exception",
    b"<html",
    b"errno",
)
_NO_BODY = {204, 304}
_CHANNEL = {"id", "name", "public", "allow_self_set"}


class Answer(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.headers.get(b"connection", b"").lower() == b"close"


class NotHttp(Exception):
    """The bytes are no answer."""


def take_answer(buffer: bytearray, *, head: bool) -> Answer | None:
    """The first complete answer, removed from `buffer`; None while it is not complete. Raises NotHttp."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > ANSWER_LIMIT_BYTES or (buffer and not b"HTTP/1.1 ".startswith(buffer[:9])):
            raise NotHttp(bytes(buffer[:200]))
        return None
    status, headers = _parse_head(bytes(buffer[:end]))
    start = end + 4
    if 100 <= status < 200:  # interim: the answer follows it (RFC 9110 15.2)
        del buffer[:start]
        return take_answer(buffer, head=head)
    length = 0 if status in _NO_BODY else _length_of(headers)
    if head and (len(buffer) == start or buffer.startswith(b"HTTP/1.1 ", start)):
        length = 0  # the answer to HEAD; what could not even be read as HEAD has a body
    if len(buffer) < start + length:
        return None
    body = bytes(buffer[start : start + length])
    del buffer[: start + length]
    return Answer(status, headers, body)


def _parse_head(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    line, *fields = head.split(b"\r\n")
    words = line.split(b" ", 2)
    if len(words) < 3 or words[0] not in (b"HTTP/1.1", b"HTTP/1.0") or not words[1].isdigit():
        raise NotHttp(line[:200])
    headers = {}
    for field in fields:
        name, colon, value = field.partition(b": ")
        if not colon or not name or name.lower() in headers or b"\n" in value or b"\r" in value:
            raise NotHttp(field[:200])
        headers[name.lower()] = value
    return int(words[1]), headers


def _length_of(headers: dict[bytes, bytes]) -> int:
    length = headers.get(b"content-length", b"0")
    if not _SENT_LENGTH.fullmatch(length) or b"transfer-encoding" in headers:
        raise NotHttp(repr(headers))
    return int(length)


def find_faults(case: Case, answer: Answer, bundle: bytes) -> list[str]:
    """What is wrong with an answer to this case; `bundle` is the published zip."""
    faults = []
    if answer.status not in case.statuses:
        faults.append(f"status {answer.status}")
    whole = b"\n".join((*answer.headers, *answer.headers.values(), answer.body))
    # A changed byte may have made another marker of the request's own.
    if set(_MARKER.findall(whole)) - {case.marker} - set(_MARKER.findall(b"".join(case.pieces))):
        faults.append("words of another request")
    if answer.body != bundle and any(word in answer.body for word in _INSIDES):
        faults.append("words of the node's insides")
    if answer.body and not _is_ours(answer, bundle):
        faults.append("a body that is neither the protocol's JSON nor the file's bytes")
    return faults


def _is_ours(answer: Answer, bundle: bytes) -> bool:
    if answer.headers.get(b"content-type", b"").startswith(b"application/json"):
        try:
            value = json.loads(answer.body)
        except ValueError:
            return False
        if answer.status == 200:
            return isinstance(value, dict) or _is_list_of_channels(value)
        return isinstance(value, dict) and isinstance(value.get("error") or value.get("errorCode"), str)
    if answer.status == 206:
        span = _CONTENT_RANGE.fullmatch(answer.headers.get(b"content-range", b""))
        return bool(span) and answer.body == bundle[int(span[1]) : int(span[2]) + 1]  # type: ignore[index]
    return answer.status == 200 and answer.body == bundle


def _is_list_of_channels(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) and set(each) == _CHANNEL for each in value)
