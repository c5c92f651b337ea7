"""Which passwords are taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.control.login.passwords.password_rules import PASSWORD_LEAST, PASSWORD_MOST, check_password
from edge.domain.errors import Invalid

MAIL = "anna.schmidt@example.com"


@pytest.mark.parametrize(
    "password",
    [
        "the heron waits by the lock",
        "korrekt-pferd-batterie",
        "Tr0ub4dor&3-x9",
        "ZkV4zGmPqL8w",
        "пароль от старого сарая",
        "anna went to sea in 1987",
        "x" * 8 + "abcd" + "y" * (PASSWORD_MOST - 12),
    ],
)
def test_a_long_password_of_ones_own_is_taken(password):
    assert check_password(password, MAIL) == password


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "fewer"),
        ("ZkV4zGmPqL8", "fewer"),
        ("x" * 8 + "abcd" + "y" * (PASSWORD_MOST - 11), "more"),
        ("aaaaaaaaaaaaaaaa", "repeats"),
        ("abababababab", "repeats"),
        ("123456789012", "common"),
        ("839201748392", "figures alone"),
        ("password1234", "common"),
        ("P@ssw0rd2026!", "common"),
        ("passwordpassword", "common"),
        ("qwerty-qwerty-1", "common"),
        ("Summer2026!!!", "common"),
        ("1qwertyuiop1", "common"),
        ("mnbvcxzlkjhgf", "common"),
        ("iloveyou 12345", "common"),
        ("correcthorsebatterystaple", "common"),
        ("anna.schmidt@example.com", "your name"),
        ("anna.schmidt1!", "your name"),
    ],
)
def test_what_everybody_tries_first_is_refused(password, why):
    with pytest.raises(Invalid) as refused:
        check_password(password, MAIL)
    assert refused.value.code == "weak_password" and why in refused.value.message
    assert not password or password not in refused.value.message


@given(st.text(max_size=PASSWORD_MOST + 5))
def test_no_text_breaks_the_rules(password):
    try:
        assert PASSWORD_LEAST <= len(check_password(password, MAIL)) <= PASSWORD_MOST
    except Invalid as refused:
        assert refused.code == "weak_password"


def test_a_password_is_the_same_however_it_is_typed():
    assert check_password("ﬁsche schwimmen weit", MAIL) == "fische schwimmen weit"
