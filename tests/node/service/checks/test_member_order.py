"""Orders of a template's members: one form for all of them, where no order means anything else."""

from random import Random

import pytest
from factories import APP
from hypothesis import given
from hypothesis import strategies as st
from test_template import BODIES, DEVICE, OTHER, body_of

from edge.node.service.checks.member_order import MEMBERS_LIMIT, form_of_members, has_any_order, sorted_template
from edge.node.service.checks.template import cut_ids, meaning_of

MEMBERS = st.lists(
    st.sampled_from(
        [
            *(b'"x":1', b'"x":[1,2]', b'"x":{"y":2}', b'"x":{"y":2,"z":3}', b'"":""', b'"device_id":""', b'"y":{}'),
            *(b'"x":{"device_id":""}', b'"custom_id":"a"', b'"version_name":"1.0.2"', b'"version_\\u006eame":"1.0.3"'),
            *(b'"z":"a,"', b'"z":",\\""', b'"z":1, "platform":"android"', b'"custom_id": "b"', b'"device_id": ""'),
            *(b'"custom\\u005fid":""', b'"is_prod":false', b'"version_os":"\\ud800"', b"", b'"', b"}", b'"z":"{'),
        ]
    ),
    max_size=5,
)


def in_an_order(template: bytes, seed: int) -> bytes:
    pieces = template[2:-1].split(b',"')
    Random(seed).shuffle(pieces)
    return b'{"' + b',"'.join(pieces) + b"}"


@given(MEMBERS.map(lambda more: b",".join([body_of()[:-1], *more]) + b"}") | BODIES, st.integers(0, 99))
def test_where_any_order_is_allowed_each_means_the_same(body, seed):
    cut = cut_ids(body)
    form = form_of_members(cut[0]) if cut is not None else None
    if form is None or not has_any_order(form):
        return
    other = in_an_order(body, seed)
    recut = cut_ids(other)
    assert recut is not None and form_of_members(recut[0]) == form and recut[1:] == cut[1:]
    meaning = meaning_of(sorted_template(form), "", {APP})
    assert meaning == meaning_of(cut[0], "", {APP}) == meaning_of(recut[0], "", {APP})


def test_the_plugins_body_has_any_order():
    template, _, _ = cut_ids(body_of(custom_id="team"))
    form = form_of_members(template)
    assert has_any_order(form) and sorted_template(form) != template
    assert {form_of_members(in_an_order(template, seed)) for seed in range(50)} == {form}


@pytest.mark.parametrize(
    "more",
    [
        b'"platform":"ios"',
        b'"plat\\u0066orm":"android"',
        b'"x":"a,"',
        b'"x":{"y":1,"z":2}',
        b'"x":{"device_id":"' + OTHER.encode() + b'"}',
        b'"x":{"custom_id":""}',
        b'"x":1, "y":2',
        b'"x"',
        b'"x":"\\ud800"',
    ],
)
def test_only_whole_members_with_names_of_their_own_have_any_order(more):
    template, _, _ = cut_ids(body_of()[:-1] + b"," + more + b"}")
    assert not has_any_order(form_of_members(template))


@pytest.mark.parametrize(
    "template",
    [
        *(b"", b"{}", b'{"', b'["a"]', body_of(compact=False)[:-1], b" " + body_of()),
        b"{" + b",".join(b'"%d":1' % number for number in range(MEMBERS_LIMIT + 1)) + b"}",
    ],
)
def test_what_does_not_look_like_few_members_has_no_form(template):
    assert form_of_members(template) is None


def test_no_form_is_a_template():
    form = form_of_members(cut_ids(body_of(device_id=DEVICE))[0])
    assert meaning_of(form, "", {APP}) is None
