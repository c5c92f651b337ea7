"""Files as patches at both doors: the lane and aiohttp give the same answers, byte for byte."""

import base64
import hashlib
from dataclasses import replace

import pytest
from factories import APP, the_files
from test_lane import answers, doors, get, talk

from edge.domain.patches.document import Patch
from edge.domain.patches.table import PatchTable
from edge.node.delivery.plan import PRIVATE, VARY
from edge.store.healing import keep_bytes
from edge.store.objects.port import blob_key

WHOLE = the_files("1.0.1")[0]
OLD, STREAM = b"the old file", b"stands for a dcz stream"  # what a node sends it does not read


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def held(content):
    return f"Available-Dictionary: :{base64.b64encode(hashlib.sha256(content).digest()).decode()}:".encode()


FILE = f"/bundles/{APP}/file/{sha256(WHOLE)}"
NAMED = f"{FILE}?of=0123456789abcdef"
TAKES, HAS = b"Accept-Encoding: gzip, deflate, br, zstd, dcb, dcz", held(OLD)
CLOSES = b"Connection: close"


@pytest.fixture
async def both(tmp_path):
    async with doors(tmp_path) as both:
        current = both.shared.service.current
        blob = keep_bytes(current._store, STREAM)
        table = PatchTable([Patch(sha256(WHOLE), sha256(OLD), blob, len(STREAM))])
        current.swap([replace(current.snapshot(APP), patches={sha256(b"document"): table})])
        yield both


async def asked(both, request):
    """The one answer of both doors: status, headers by name, body."""
    (lane,), (plain,) = answers(await talk(both.lane, request)), answers(await talk(both.plain, request))
    assert lane == plain
    status, headers, body = lane
    return int(status.split()[1]), {name.decode(): value.decode() for name, value in headers}, body


async def test_a_client_with_the_old_file_gets_the_patch(both):
    status, headers, body = await asked(both, get(NAMED, TAKES, HAS, CLOSES))
    assert (status, body) == (200, STREAM)
    assert headers["content-encoding"] == "dcz"
    assert headers["etag"] == f'"{sha256(STREAM)}"'
    assert (headers["vary"], headers["cache-control"]) == (VARY, PRIVATE)
    assert headers["use-as-dictionary"] == rf'match="/bundles/{APP}/file/*\\?of=0123456789abcdef"'
    assert headers["access-control-allow-origin"] == "*"
    assert both.shared.deliveries == 1  # the other one is aiohttp's
    assert both.shared.service.counts.others["patches_sent"] == 2


WHOLES = {
    "says nothing": (),
    "has another file": (TAKES, held(b"another")),
    "takes no dcz": (b"Accept-Encoding: gzip, br", HAS),
    "refuses dcz": (b"Accept-Encoding: br, dcz;q=0", HAS),
    "takes dcz and has nothing": (TAKES,),
    "says two dictionaries": (TAKES, HAS, held(b"another")),
    "says nonsense": (TAKES, b"Available-Dictionary: yes"),
}


@pytest.mark.parametrize("case", WHOLES)
async def test_any_other_client_gets_the_whole_file_as_a_dictionary(both, case):
    status, headers, body = await asked(both, get(NAMED, *WHOLES[case], CLOSES))
    assert (status, body, headers["etag"]) == (200, WHOLE, f'"{sha256(WHOLE)}"')
    assert "content-encoding" not in headers
    assert headers["vary"] == VARY and "use-as-dictionary" in headers


@pytest.mark.parametrize("path", [FILE, f"{FILE}?of=", f"{FILE}?of=0123456789ABCDEF", f"{FILE}?of=0123456789abcdef0"])
async def test_an_address_without_a_name_knows_no_patches(both, path):
    plain = await asked(both, get(FILE, CLOSES))
    assert await asked(both, get(path, TAKES, HAS, CLOSES)) == plain
    assert plain[1].keys().isdisjoint({"vary", "use-as-dictionary", "content-encoding"})


async def test_a_zip_has_no_name(both):
    status, headers, _ = await asked(both, get(f"{both.zip_path}?of=0123456789abcdef", TAKES, HAS, CLOSES))
    assert status == 200 and "use-as-dictionary" not in headers


async def test_head_says_what_get_does(both):
    _, of_get, _ = await asked(both, get(NAMED, TAKES, HAS, CLOSES))
    status, of_head, body = await asked(both, get(NAMED, TAKES, HAS, CLOSES, method=b"HEAD"))
    assert (status, of_head, body) == (200, of_get, b"")
    assert both.shared.service.counts.others["patches_sent"] == 2


async def test_a_range_is_of_the_file_itself(both):
    status, headers, body = await asked(both, get(NAMED, TAKES, HAS, b"Range: bytes=1-3", CLOSES))
    assert (status, body, headers["etag"]) == (206, WHOLE[1:4], f'"{sha256(WHOLE)}"')
    resumed = get(NAMED, TAKES, HAS, b"Range: bytes=1-3", b'If-Range: "%s"' % sha256(STREAM).encode(), CLOSES)
    assert (await asked(both, resumed))[::2] == (200, WHOLE)  # of a patch that was cut


CONDITIONS = {
    f'If-None-Match: "{sha256(WHOLE)}"': 304,
    f'If-None-Match: "{sha256(STREAM)}"': 200,
    f'If-Match: "{sha256(WHOLE)}"': 200,
    "If-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT": 200,
    "If-Modified-Since: Fri, 01 Jan 2010 00:00:00 GMT": 200,
}


@pytest.mark.parametrize("condition", CONDITIONS)
async def test_a_condition_is_on_the_file_that_the_address_names(both, condition):
    expected = CONDITIONS[condition]
    status, headers, body = await asked(both, get(NAMED, TAKES, HAS, condition.encode(), CLOSES))
    assert headers["vary"] == VARY
    assert (status, headers["etag"], body) == (expected, f'"{sha256(WHOLE)}"', WHOLE if expected == 200 else b"")


async def test_a_damaged_patch_is_the_whole_file(both):
    store = both.shared.service.current._store
    store.path(blob_key(sha256(STREAM))).write_bytes(b"altered")
    status, headers, body = await asked(both, get(NAMED, TAKES, HAS, CLOSES))
    assert (status, body) == (200, WHOLE)
    assert "content-encoding" not in headers


async def test_a_patch_known_to_be_lost_is_not_looked_for(both):
    current = both.shared.service.current
    current.swap([replace(current.snapshot(APP), lost_patches=frozenset({sha256(STREAM)}))])
    assert (await asked(both, get(NAMED, TAKES, HAS, CLOSES)))[2] == WHOLE


async def test_a_patch_has_no_address_of_its_own(both):
    status, _, _ = await asked(both, get(f"/bundles/{APP}/file/{sha256(STREAM)}", CLOSES))
    assert status == 404
    assert both.shared.service.current.snapshot(APP).names_blob(sha256(STREAM))  # but its damage is the app's
