"""Session tickets: accepted by every context with the same keys, over one change of keys, and never shown."""

import ssl

import pytest
from certificates import a_certificate
from tls_in_memory import Connected, trusting_anyone

from edge.node.tls.openssl import KEYS_BYTES, NotKnown, use_ticket_keys
from edge.node.tls.pair import build_context, read_pair
from edge.node.tls.port import PortTls
from edge.node.tls.tickets import new_keys, rotated, why_not_shared

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class Greeting:
    """Says "hello" to who says anything."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(b"hello")

    def connection_lost(self, exc):
        pass


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return read_pair(*a_certificate(tmp_path_factory.mktemp("pair")))


@pytest.fixture(params=VERSIONS, ids=[version.name for version in VERSIONS])
def client(request):
    return trusting_anyone(request.param)


def greeted(tls, client, session=None) -> ssl.SSLObject:
    end = Connected(tls, Greeting(), client, session).open()
    end.deliver(end.say(b"?"))
    assert end.hear() == b"hello"
    return end.peer


def test_this_interpreter_can_share_keys():
    assert why_not_shared() == ""


def test_the_workers_of_a_node_accept_each_others_tickets(pair, client):
    keys = new_keys()
    one, other = (PortTls(pair, pytest.fail, keys) for _ in range(2))
    first = greeted(one, client)
    assert not first.session_reused
    again = greeted(other, client, first.session)
    assert again.session_reused
    assert greeted(one, client, again.session).session_reused


def test_without_shared_keys_a_ticket_is_its_makers_alone(pair, client):
    one, other = (PortTls(pair, pytest.fail) for _ in range(2))
    session = greeted(one, client).session
    assert greeted(one, client, session).session_reused
    assert not greeted(other, client, session).session_reused


def test_a_ticket_survives_one_change_of_keys_and_not_two(pair, client):
    keys = new_keys()
    tls = PortTls(pair, pytest.fail, keys)
    session = greeted(tls, client).session
    tls.take_keys(changed := rotated(keys))
    assert greeted(tls, client, session).session_reused
    assert greeted(tls, client, greeted(tls, client).session).session_reused  # a new one has the new keys
    tls.take_keys(rotated(changed))
    assert not greeted(tls, client, session).session_reused


def test_a_ticket_survives_a_new_certificate(pair, client, tmp_path):
    tls = PortTls(pair, pytest.fail, new_keys())
    session = greeted(tls, client).session
    tls.replace(read_pair(*a_certificate(tmp_path)))
    assert greeted(tls, client, session).session_reused


def test_keys_are_random_whole_and_never_printed():
    one, other = new_keys(), new_keys()
    assert len(one.current) == len(rotated(one).current) == KEYS_BYTES
    assert len({one.current, other.current, rotated(one).current}) == 3
    assert rotated(one).former == one.current
    assert repr(one.current)[3:-1] not in f"{one!r} {[one]} {rotated(one)!s}"


def test_shared_keys_come_with_the_cheaper_suite(pair):
    suites = [greeted(PortTls(pair, pytest.fail, keys), trusting_anyone()).cipher()[0] for keys in (None, new_keys())]
    assert suites == ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"]


def test_keys_that_openssl_does_not_take_are_an_error(pair):
    context = build_context(pair)
    with pytest.raises(NotKnown, match="tickets"):
        use_ticket_keys(context, bytes(KEYS_BYTES - 1))
