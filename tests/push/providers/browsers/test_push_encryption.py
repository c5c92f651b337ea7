"""RFC 8291: its own example, and what an independent reading of it decrypts."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from push.webpush_double import Browser, decrypt, point_of

from edge.push.providers.browsers.encryption import BadSubscriptionKey, encrypt_push, encrypt_push_with
from edge.wire.providers.webpush import BrowserSubscription


def bytes_of(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# RFC 8291, section 5 and appendix A
PLAINTEXT = b"When I grow up, I want to be a watermelon"
RECEIVER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
SENDER_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz"
    "AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_the_example_of_the_rfc():
    private = ec.derive_private_key(int.from_bytes(bytes_of(SENDER_PRIVATE), "big"), ec.SECP256R1())
    subscription = BrowserSubscription("https://push.example.net/x", bytes_of(RECEIVER), bytes_of(AUTH))
    assert encrypt_push_with(PLAINTEXT, subscription, private, bytes_of(SALT)) == bytes_of(BODY)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 3_993])
def test_every_size_comes_back_and_fits(size):
    private = ec.generate_private_key(ec.SECP256R1())
    subscription = BrowserSubscription("", point_of(private), b"a" * 16)
    body = encrypt_push(b"x" * size, subscription)
    assert len(body) == size + 103 <= 4_096
    assert decrypt(body, Browser(private, b"a" * 16, "")) == b"x" * size


def test_two_messages_share_nothing():
    subscription = BrowserSubscription("", point_of(ec.generate_private_key(ec.SECP256R1())), b"a" * 16)
    first, second = encrypt_push(b"same", subscription), encrypt_push(b"same", subscription)
    assert first[:16] != second[:16] and first[21:86] != second[21:86]


def test_a_key_that_is_no_point_of_the_curve_is_found():
    with pytest.raises(BadSubscriptionKey):
        encrypt_push(b"x", BrowserSubscription("", b"\x04" + b"\x01" * 64, b"a" * 16))
