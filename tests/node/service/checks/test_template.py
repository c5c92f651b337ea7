"""Templates: cut out and put back, an id is the same; and what is not the same for every id has no meaning."""

import json

import pytest
from factories import APP
from hypothesis import given
from hypothesis import strategies as st

from edge.node.service.checks.template import TEMPLATE_LIMIT_BYTES, cut_ids, meaning_of, with_ids
from edge.wire.updates import WireError, parse_update_check

DEVICE = "5fa1e2d0-9c3b-4a77-8e21-0b6cdd1f93ab"
OTHER = "00000000-0000-4000-8000-0123456789ab"
FIELDS = {
    "platform": "ios",
    "device_id": DEVICE,
    "app_id": APP,
    "custom_id": "",
    "version_build": "1.0.0",
    "version_name": "1.0.1",
    "plugin_version": "8.51.14",
}


def body_of(compact=True, **changes) -> bytes:
    return json.dumps(FIELDS | changes, separators=(",", ":") if compact else None).encode()


def parsed(body: bytes):
    try:
        return parse_update_check(body, "DE", {APP})
    except WireError as refused:
        return refused.body


PIECES = st.sampled_from(
    [
        *(b'"device_id":"', b'"device_id": "', b'"custom_id":"', b'"custom_id": "', DEVICE.encode(), OTHER.encode()),
        *(DEVICE.upper().encode(), b'"', b"{", b"}", b",", b":", b"\\", b"team", b" ", b'"app_id":"com.example.app"'),
        *(b'"platform":"ios"', b'"version_name":"1.0.0"', b'"plugin_version":"8.0.0"', "é".encode(), b"\\u0061"),
    ]
)
BODIES = st.lists(PIECES, max_size=14).map(b"".join) | st.lists(PIECES, max_size=8).map(
    lambda pieces: body_of()[:-1] + b"," + b"".join(pieces) + b"}"
)


@given(BODIES)
def test_what_is_cut_out_can_be_put_back(body):
    cut = cut_ids(body)
    if cut is not None:
        assert with_ids(*cut) == body


@given(BODIES, st.sampled_from([b"", b"team", b"x:1@y.z", b"a" * 36]))
def test_bodies_of_one_template_are_cut_alike(body, custom_id):
    cut = cut_ids(body)
    if cut is not None:
        template = cut[0]
        made = with_ids(template, OTHER.encode(), custom_id if b'"custom_id":' in template else b"")
        assert cut_ids(made) is not None and cut_ids(made)[0] == template


@given(BODIES | st.builds(body_of, st.booleans(), custom_id=st.sampled_from(["", "a", "é", " a ", DEVICE, 7, None])))
def test_a_template_with_a_meaning_means_that_for_every_id(body):
    cut = cut_ids(body)
    meaning = meaning_of(cut[0], "DE", {APP}) if cut is not None else None
    if meaning is not None:
        _, device, custom_id = cut
        expected = meaning._replace(device=device.decode().lower(), custom_id=custom_id.decode())
        assert parsed(body) == expected


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("custom_id", ["", "team-7", DEVICE])
@pytest.mark.parametrize("device", [DEVICE, DEVICE.upper()])
def test_the_plugins_bodies_have_a_meaning(compact, custom_id, device):
    template, *ids = cut_ids(body_of(compact, device_id=device, custom_id=custom_id))
    assert ids == [device.encode(), custom_id.encode()]
    assert (template, b"", b"") != cut_ids(body_of(compact, version_name="1.0.2"))
    assert meaning_of(template, "", {APP}).version_name == "1.0.1"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{}", b'"device_id":"', b'{"device_id":"' + DEVICE.encode()),
        body_of(device_id=DEVICE[:-1]),
        body_of(device_id=DEVICE + "0"),
        body_of(device_id=DEVICE.replace("-", "_")),
        body_of(custom_id='quo"te'),
        body_of(custom_id="with space"),
        body_of(custom_id="x" * 37),
        body_of(install_source="x" * TEMPLATE_LIMIT_BYTES),
        body_of().replace(b"5fa1", b"\\u0035fa1"),
    ],
)
def test_what_is_written_oddly_has_no_template(body):
    assert cut_ids(body) is None


@pytest.mark.parametrize(
    "more",
    [
        f'"device_id":"{OTHER}"',  # of two, the last counts
        f'"device_id":"{DEVICE}"',
        '"custom_id":"other"',
        '"device_\\u0069d":"' + OTHER + '"',
        '"app_id":7',
        '"is_prod":"yes"',
    ],
)
def test_what_depends_on_more_than_the_ids_place_has_no_meaning(more):
    body = body_of(custom_id="mine")[:-1] + b"," + more.encode() + b"}"
    template, _, _ = cut_ids(body)
    assert meaning_of(template, "", {APP}) is None


def test_an_id_in_another_member_has_no_meaning():
    nested = b'{"x":{"device_id":"' + OTHER.encode() + b'"},' + body_of()[1:]
    assert meaning_of(cut_ids(nested)[0], "", {APP}) is None
