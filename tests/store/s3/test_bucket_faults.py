"""What a failed request means: its status and the server's code, and never a word that might be a secret."""

import pytest

from edge.store.objects.port import StoreLost
from edge.store.s3.faults import FaultKind, fault_of, refusal_of_bucket

SECRET = "AKIDEXAMPLE/SECRET-KEY/SIGNATURE"


def words(status, code="", more=""):
    body = f"<Error><Code>{code}</Code><Message>{SECRET}</Message>{more}</Error>" if code else ""
    return f"Generic S3 error: Error performing PUT - Server returned non-2xx status code: {status} X: {body}"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (words(404, "NoSuchKey"), FaultKind.ABSENT),
        (words(404), FaultKind.ABSENT),
        (words(404, "NoSuchBucket"), FaultKind.NO_BUCKET),
        (words(412, "PreconditionFailed"), FaultKind.CHANGED),
        (words(304), FaultKind.UNCHANGED),
        (words(403, "AccessDenied"), FaultKind.DENIED),
        (words(403, "SignatureDoesNotMatch"), FaultKind.KEYS),
        (words(403, "InvalidAccessKeyId"), FaultKind.KEYS),
        (words(400, "ExpiredToken"), FaultKind.EXPIRED),
        (words(403, "RequestTimeTooSkewed"), FaultKind.CLOCK),
        (words(400, "AuthorizationHeaderMalformed"), FaultKind.REGION),
        (words(301, "PermanentRedirect"), FaultKind.REGION),
        (words(503, "SlowDown"), FaultKind.BUSY),
        (words(409, "ConditionalRequestConflict"), FaultKind.BUSY),
        (words(429), FaultKind.BUSY),
        (words(500, "InternalError"), FaultKind.FAILED),
        (words(502), FaultKind.FAILED),
        (words(418, "ImATeapot"), FaultKind.REFUSED),
        ("Generic S3 error: HTTP error: error sending request", FaultKind.LOST),
        (
            "Generic S3 error: Error performing GET http://127.0.0.1:9/releases/access/credentials.json in 3ms"
            " - HTTP error: error sending request\n\nDebug source:\nuri: Some(\n"
            " http://127.0.0.1:9/releases/access/credentials.json,\n)",
            FaultKind.LOST,
        ),
        ("Generic S3 error: Error getting credentials from http://169.254.169.254/latest", FaultKind.NO_KEYS),
    ],
)
def test_the_servers_code_decides_then_its_status(said, kind):
    assert fault_of(said).kind is kind


@pytest.mark.parametrize("kind", FaultKind)
def test_no_message_repeats_what_was_said(kind):
    fault = fault_of(words(403, "AccessDenied", "<Region>eu-north-1</Region>"))._replace(kind=kind)
    refusal = refusal_of_bucket(fault, "the bucket s3://b", "reading heads/0.json")
    assert isinstance(refusal, StoreLost) and refusal.code == kind.code
    assert refusal.message.startswith("the bucket s3://b: reading heads/0.json failed (403 AccessDenied): ")
    assert not any(part in refusal.message for part in SECRET.split("/"))


def test_the_right_region_is_named():
    fault = fault_of(words(400, "AuthorizationHeaderMalformed", "<Region>eu-north-1</Region>"))
    assert refusal_of_bucket(fault, "b", "c").message.endswith("it says eu-north-1")


def test_codes_are_told_apart():
    assert len({kind.code for kind in FaultKind}) == len(FaultKind)
