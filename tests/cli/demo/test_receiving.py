"""The demo's receiver takes what is signed with its secret, and nothing else."""

from aiohttp import web

from edge.cli.demo.receiving import Receiver
from edge.messages.signature import new_signing_secret, sign_message

BODY = b'{"kind": "guard_paused"}'


async def test_what_is_genuine_is_taken_and_the_rest_is_refused(aiohttp_client):
    receiver = Receiver()
    receiver.secret = new_signing_secret()
    app = web.Application()
    app.router.add_post("/", receiver.handle)
    client = await aiohttp_client(app)
    forged = sign_message(new_signing_secret(), "n1", 1, BODY)
    for headers, body in ((forged, BODY), ({}, BODY), (sign_message(receiver.secret, "n1", 1, BODY), b"{}")):
        async with client.post("/", data=body, headers=headers) as answer:
            assert answer.status == 401
    async with client.post("/", data=BODY, headers=sign_message(receiver.secret, "n1", 1, BODY)) as answer:
        assert answer.status == 200
    assert (receiver.kinds(), receiver.refused) == (["guard_paused"], 3)
