"""Where Web Push may be sent: an endpoint is an address that a stranger chose."""

import pytest

from edge.wire.providers.endpoints import endpoint_fault, origin_of

KNOWN = [
    "https://fcm.googleapis.com/fcm/send/abc:def",
    "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
    "https://wns2-par02p.notify.windows.com/w/?token=BQ",
    "https://web.push.apple.com/QGur",
    "https://fcm.googleapis.com:443/fcm/send/x",
]
STRANGE = [
    "",
    "https://",
    "https://example.com/push",
    "http://fcm.googleapis.com/fcm/send/x",
    "https://fcm.googleapis.com:8443/x",
    "https://fcm.googleapis.com.example.com/x",
    "https://example.com/fcm.googleapis.com",
    "https://evilfcm.googleapis.com/x",
    "https://notify.windows.com.evil.example/x",
    "https://user@fcm.googleapis.com/x",
    "https://fcm.googleapis.com@169.254.169.254/x",
    "https://169.254.169.254\\@fcm.googleapis.com/x",
    "https://fcm.googleapis.com\\.evil.example/x",
    "https://127.0.0.1/x",
    "https://[::1]/x",
    "https://2130706433/x",
    "https://fcm.googleapis.com/x#y",
    "https://fcm.googleapis.com/x y",
    "https://fcm.googleapis.com/\r\nHost: x",
    "https://fcm.googleapis.com:0/x",
    "https://fcm.googleapis.com:99999/x",
    "https://fcm.googleapis.com/é",
    "file:///etc/passwd",
    "gopher://fcm.googleapis.com/x",
    "https://fcm.googleapis.com/" + "x" * 2_048,
]


@pytest.mark.parametrize("endpoint", KNOWN)
def test_the_push_services_of_browsers_are_known(endpoint):
    assert endpoint_fault(endpoint) == ""


@pytest.mark.parametrize("endpoint", STRANGE)
def test_nothing_is_posted_elsewhere(endpoint):
    assert endpoint_fault(endpoint) != ""


@pytest.mark.parametrize(
    ("endpoint", "further"),
    [
        ("https://push.example.com/x", "push.example.com"),
        ("https://push.example.com:8443/x", "push.example.com:8443"),
        ("http://localhost:9000/x", "http://localhost:9000"),
    ],
)
def test_an_operator_can_allow_others_exactly(endpoint, further):
    assert endpoint_fault(endpoint) != ""
    assert endpoint_fault(endpoint, [further]) == ""
    assert endpoint_fault(endpoint.replace("/x", "1/x"), [further]) != ""


@pytest.mark.parametrize(
    ("endpoint", "origin"),
    [
        ("https://fcm.googleapis.com/x/y", "https://fcm.googleapis.com"),
        ("https://fcm.googleapis.com:443/x", "https://fcm.googleapis.com"),
        ("https://push.example.com:8443/x", "https://push.example.com:8443"),
        ("http://localhost:9000/x", "http://localhost:9000"),
    ],
)
def test_the_origin_is_the_audience(endpoint, origin):
    assert origin_of(endpoint) == origin
