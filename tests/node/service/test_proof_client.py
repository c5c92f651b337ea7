"""A worker asks for proofs over its link, and waits for no supervisor that is gone."""

import asyncio

import pytest

from edge.node.proving.verdicts import DamagedBlob, NotProvenYet
from edge.node.service.proof_client import ProofAnswer, ProofClient
from edge.store.disk.file_proof import FileIdentity

FILE = FileIdentity(1, 2, 3, 4, 5)


async def asked(client):
    asking = asyncio.create_task(client.prove("ab" * 32, "com.example.app"))
    await asyncio.sleep(0)
    return asking


async def test_each_question_gets_its_own_answer():
    sent = []
    client = ProofClient(lambda *question: sent.append(question))
    first, second = await asked(client), await asked(client)
    assert sent == [(1, "ab" * 32, "com.example.app"), (2, "ab" * 32, "com.example.app")]
    client.settle(2, ProofAnswer(None, False))
    client.settle(1, ProofAnswer(FILE, False))
    client.settle(9, ProofAnswer(None, False))
    assert await first == FILE
    with pytest.raises(DamagedBlob):
        await second


async def test_whoever_waits_for_a_supervisor_that_leaves_is_told_to_come_again():
    client = ProofClient(lambda *question: None)
    waiting = [await asked(client) for _ in range(3)]
    client.give_up()
    for each in waiting:
        with pytest.raises(NotProvenYet):
            await each
