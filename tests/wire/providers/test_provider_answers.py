"""What each answer of a provider means: every row of the tables, and what is in none."""

import json

import pytest

from edge.domain.pushing.payload import PushAttempt, PushVerdict
from edge.wire.providers.answers import ProviderAnswer
from edge.wire.providers.apns import APNS_WORDS, read_apns
from edge.wire.providers.fcm import FCM_WORDS, read_fcm
from edge.wire.providers.webhook import read_push_webhook
from edge.wire.providers.webpush import read_webpush

SENT, DEAD, LATER = PushVerdict.SENT, PushVerdict.DEAD, PushVerdict.LATER
OURS, STOP = PushVerdict.OURS, PushVerdict.STOP


def fcm_error(status, code="", field="", rpc=""):
    details = []
    if code:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
    if field:
        bad = [{"field": field, "description": "Invalid value"}]
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": bad})
    body = {"error": {"code": status, "message": "no", "status": rpc, "details": details}}
    return ProviderAnswer(status, json.dumps(body).encode())


def refused(code):
    """Nothing says whether for the token or for all."""
    return PushAttempt(OURS, code, whole=True, of_target=True)


FCM = [
    (ProviderAnswer(200, b'{"name":"projects/p/messages/1"}'), PushAttempt(SENT, "sent", 0.0, "projects/p/messages/1")),
    (ProviderAnswer(200, b"not json"), PushAttempt(SENT, "sent")),
    (fcm_error(404, "UNREGISTERED", rpc="NOT_FOUND"), PushAttempt(DEAD, "UNREGISTERED")),
    (fcm_error(403, "SENDER_ID_MISMATCH", rpc="PERMISSION_DENIED"), PushAttempt(DEAD, "SENDER_ID_MISMATCH")),
    (fcm_error(400, "INVALID_ARGUMENT", "message.token"), PushAttempt(DEAD, "INVALID_ARGUMENT")),
    (fcm_error(400, "INVALID_ARGUMENT", "message.data"), PushAttempt(OURS, "INVALID_ARGUMENT")),
    (fcm_error(400, "INVALID_ARGUMENT"), refused("INVALID_ARGUMENT")),
    (fcm_error(400, rpc="INVALID_ARGUMENT"), refused("INVALID_ARGUMENT")),
    (fcm_error(429, "QUOTA_EXCEEDED"), PushAttempt(LATER, "QUOTA_EXCEEDED", 60.0, whole=True)),
    (
        fcm_error(429, "QUOTA_EXCEEDED")._replace(retry_after_seconds=90.0),
        PushAttempt(LATER, "QUOTA_EXCEEDED", 90.0, whole=True),
    ),
    (fcm_error(429, rpc="RESOURCE_EXHAUSTED"), PushAttempt(LATER, "RESOURCE_EXHAUSTED", 60.0, whole=True)),
    (fcm_error(503, "UNAVAILABLE"), PushAttempt(LATER, "UNAVAILABLE", whole=True)),
    (
        fcm_error(503, "UNAVAILABLE")._replace(retry_after_seconds=7.0),
        PushAttempt(LATER, "UNAVAILABLE", 7.0, whole=True),
    ),
    (fcm_error(500, "INTERNAL"), PushAttempt(LATER, "INTERNAL")),
    (fcm_error(401, rpc="UNAUTHENTICATED"), PushAttempt(STOP, "UNAUTHENTICATED", whole=True)),
    (fcm_error(401, "THIRD_PARTY_AUTH_ERROR"), PushAttempt(STOP, "THIRD_PARTY_AUTH_ERROR", whole=True)),
    (fcm_error(403, rpc="PERMISSION_DENIED"), PushAttempt(STOP, "PERMISSION_DENIED", whole=True)),
    (fcm_error(404, rpc="NOT_FOUND"), PushAttempt(STOP, "NOT_FOUND", whole=True)),  # a wrong project: no token is dead
    (ProviderAnswer(401, b""), PushAttempt(STOP, "http_401", whole=True)),
    (ProviderAnswer(302, b"<html>"), PushAttempt(STOP, "http_302", whole=True)),
    (ProviderAnswer(502, b"<html>"), PushAttempt(LATER, "http_502", whole=True)),
    (ProviderAnswer(429, b"", 5.0), PushAttempt(LATER, "http_429", 5.0)),
    (ProviderAnswer(404, b"<html>"), refused("http_404")),  # no provider's word: nothing is lost by it
    (ProviderAnswer(400, b"\xff[{"), refused("http_400")),
    (fcm_error(500, "SOMETHING_NEW"), PushAttempt(LATER, "SOMETHING_NEW", whole=True)),
]


@pytest.mark.parametrize(("answer", "attempt"), FCM)
def test_an_answer_of_fcm(answer, attempt):
    assert read_fcm(answer) == attempt


def test_every_word_of_fcm_has_a_case():
    assert {attempt.code for _, attempt in FCM} >= set(FCM_WORDS)


APNS = {
    400: "BadCollapseId BadExpirationDate BadMessageId BadPriority DuplicateHeaders InvalidPushType PayloadEmpty",
    405: "MethodNotAllowed",
    413: "PayloadTooLarge",
}
APNS_STOP = {
    400: "BadTopic MissingTopic TopicDisallowed",
    403: "BadCertificate BadCertificateEnvironment BadEnvironmentKeyInToken UnrelatedKeyIdInToken ExpiredProviderToken "
    "InvalidProviderToken MissingProviderToken Forbidden",
}


def apns(status, reason, **more):
    return ProviderAnswer(status, json.dumps({"reason": reason, **more}).encode())


APNS_CASES = [
    (ProviderAnswer(200, b"", 0.0, "A-1"), PushAttempt(SENT, "sent", 0.0, "A-1")),
    *((apns(s, w), PushAttempt(OURS, w)) for s, words in APNS.items() for w in words.split()),
    *((apns(s, w), PushAttempt(STOP, w, whole=True)) for s, words in APNS_STOP.items() for w in words.split()),
    (apns(400, "DeviceTokenNotForTopic"), refused("DeviceTokenNotForTopic")),
    (apns(400, "MissingDeviceToken"), PushAttempt(OURS, "MissingDeviceToken", of_target=True)),
    (apns(404, "BadPath"), PushAttempt(OURS, "BadPath", of_target=True)),
    (apns(410, "Unregistered", timestamp=1e300), PushAttempt(DEAD, "Unregistered", dead_since=4e9)),
    (apns(400, "BadDeviceToken"), PushAttempt(DEAD, "BadDeviceToken")),
    (
        apns(410, "Unregistered", timestamp=1_700_000_000_500),
        PushAttempt(DEAD, "Unregistered", dead_since=1_700_000_000.5),
    ),
    (apns(410, "ExpiredToken"), PushAttempt(DEAD, "ExpiredToken")),
    (ProviderAnswer(410, b""), PushAttempt(DEAD, "http_410")),
    (
        apns(429, "TooManyProviderTokenUpdates"),
        PushAttempt(LATER, "TooManyProviderTokenUpdates", 1_200.0, whole=True),
    ),
    (apns(429, "TooManyRequests"), PushAttempt(LATER, "TooManyRequests")),
    (apns(400, "IdleTimeout"), PushAttempt(LATER, "IdleTimeout")),
    (apns(500, "InternalServerError"), PushAttempt(LATER, "InternalServerError")),
    (apns(503, "ServiceUnavailable"), PushAttempt(LATER, "ServiceUnavailable", whole=True)),
    (apns(503, "Shutdown"), PushAttempt(LATER, "Shutdown", whole=True)),
    (ProviderAnswer(403, b"\x00"), PushAttempt(STOP, "http_403", whole=True)),
    (ProviderAnswer(400, b'{"reason": 3}'), refused("http_400")),
    (apns(400, "new\nword" * 30), refused(("newword" * 30)[:64])),
]


@pytest.mark.parametrize(("answer", "attempt"), APNS_CASES)
def test_an_answer_of_apns(answer, attempt):
    assert read_apns(answer) == attempt


def test_every_word_of_apns_has_a_case():
    assert {attempt.code for _, attempt in APNS_CASES} >= set(APNS_WORDS)


@pytest.mark.parametrize(
    ("status", "retry", "attempt"),
    [
        (201, 0.0, PushAttempt(SENT, "sent")),
        (202, 0.0, PushAttempt(SENT, "sent")),
        (404, 0.0, PushAttempt(DEAD, "http_404")),
        (410, 0.0, PushAttempt(DEAD, "http_410")),
        (400, 0.0, PushAttempt(OURS, "http_400", of_target=True)),
        (413, 0.0, PushAttempt(OURS, "http_413", of_target=True)),
        (401, 0.0, PushAttempt(OURS, "http_401", of_target=True)),
        (403, 0.0, PushAttempt(OURS, "http_403", of_target=True)),
        (307, 0.0, PushAttempt(OURS, "http_307", of_target=True)),
        (429, 30.0, PushAttempt(LATER, "http_429", 30.0)),
        (500, 0.0, PushAttempt(LATER, "http_500")),
        (503, 9.0, PushAttempt(LATER, "http_503", 9.0)),
    ],
)
def test_an_answer_of_a_browsers_push_service(status, retry, attempt):
    assert read_webpush(ProviderAnswer(status, b"", retry)) == attempt


@pytest.mark.parametrize(
    ("status", "attempt"),
    [
        (200, PushAttempt(SENT, "sent")),
        (204, PushAttempt(SENT, "sent")),
        (410, PushAttempt(DEAD, "http_410")),
        (404, refused("http_404")),
        (400, refused("http_400")),
        (403, refused("http_403")),
        (401, PushAttempt(STOP, "http_401", whole=True)),
        (301, PushAttempt(STOP, "http_301", whole=True)),
        (429, PushAttempt(LATER, "http_429")),
        (500, PushAttempt(LATER, "http_500", whole=True, of_target=True)),
    ],
)
def test_an_answer_of_a_receiver_of_ones_own(status, attempt):
    assert read_push_webhook(ProviderAnswer(status)) == attempt
