"""Signatures of messages: a golden vector, and code of another kind that verifies what the node signs."""

import base64
import subprocess

import pytest

from edge.messages.signature import new_signing_secret, sign_message

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'


def test_the_golden_vector():
    assert sign_message(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, BODY) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_openssl_finds_the_same_signature():
    secret = new_signing_secret()
    headers = sign_message(secret, "n-1", 1_700_000_000, BODY)
    key = base64.b64decode(secret.removeprefix("whsec_")).hex()
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key}", "-binary"]
    signed = subprocess.run(command, input=b"n-1.1700000000." + BODY, capture_output=True, check=True).stdout
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(signed).decode()}"


@pytest.mark.parametrize("changed", [("n-2", 7, BODY), ("n-1", 8, BODY), ("n-1", 7, BODY + b" ")])
def test_id_time_and_body_are_signed(changed):
    one, other = sign_message(SECRET, "n-1", 7, BODY), sign_message(SECRET, *changed)
    assert one["webhook-signature"] != other["webhook-signature"]


def test_a_secret_has_256_bits_and_is_another_one_each_time():
    secret = new_signing_secret()
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert secret != new_signing_secret()
