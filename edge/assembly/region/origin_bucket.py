"""The truth in a bucket, as the node that changes it sees it: it follows the bucket like a region, so its workers serve
a verified copy on its disk, and what another origin changes arrives here too.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from edge.assembly.region.sources import bucket_place
from edge.config import Config
from edge.control.access.shared_document import SharedDocument
from edge.control.access.tokens import Tokens
from edge.control.login.accounts import Accounts
from edge.control.login.credential_document import CREDENTIALS_KIND, CredentialDocument
from edge.control.push.push_document import PUSH_KIND, PushDocument
from edge.node.processes.data_directory import DataDirectory
from edge.node.processes.supervisor import Supervisor
from edge.regions.following.copying import DocumentCheck
from edge.regions.following.follower import Follower, FollowTerms
from edge.regions.sources.bucket import BucketSource
from edge.store.objects.port import PEOPLE_KEY, TOKENS_KEY
from edge.store.s3.client import BucketClient

TOKENS_SECONDS = 60.0  # between two looks at the bucket's tokens, which nobody who asks waits for
CREDENTIALS_SECONDS = 15.0  # what another origin takes away opens nothing here after that

# For what waits for a bucket: its requests are limited to fewer, so that proofs for devices always have threads.
THREADS = 64


class OriginBucket:
    """Made on the node's loop. `follower` is a duty of the supervisor."""

    def __init__(self, config: Config, directory: DataDirectory, supervisor: Supervisor) -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "node"))
        # A client of its own: a look at the bucket is not kept waiting by what people change.
        self.source = BucketSource(BucketClient(bucket_place(config.store.url, config.store)))
        self.follower = Follower(
            self.source,
            directory.mirror,
            directory.mirror_trust,
            lambda heads: supervisor.take_heads(heads, None),
            directory.held,
            checks=checks_of(Tokens(directory.mirror, directory.mirror_trust, None)),
            reserve=directory.reserve,
            terms=FollowTerms(poll_seconds=config.upstream.poll_seconds, shared=True),
        )
        prover = supervisor.prover
        prover.puller = puller = self.follower.puller
        puller.on_pulled = prover.note_upload
        self.follower.holding.lacks = lambda digest, app: prover.prove_all([digest], app)

    async def close(self) -> None:
        await self.follower.close()
        await self.follower.fetcher.close()
        await self.source.close()


def tokens_of(directory: DataDirectory) -> Tokens:
    if directory.bucket is None:
        return Tokens(directory.store, directory.trust, directory.writer, directory.reserve)
    return Tokens(directory.bucket, directory.trust, directory.writer, directory.reserve, directory.mirror)


def push_document_of(directory: DataDirectory) -> SharedDocument[PushDocument]:
    """Which nobody follows: it is read where the truth is."""
    store = directory.bucket or directory.store
    return SharedDocument(PUSH_KIND, store, directory.trust, directory.writer, directory.reserve)


def credentials_of(directory: DataDirectory) -> SharedDocument[CredentialDocument]:
    """The copy of a bucket has none of them: who asks is answered from memory, `look_at_credentials` keeps it fresh."""
    store = directory.store if directory.bucket is None else directory.bucket
    copy = directory.mirror if directory.bucket is not None else None
    return SharedDocument(CREDENTIALS_KIND, store, directory.trust, directory.writer, directory.reserve, copy)


def checks_of(tokens: Tokens) -> dict[str, DocumentCheck]:
    """What a follower verifies the documents about access with."""
    return {TOKENS_KEY: tokens, PEOPLE_KEY: tokens.people}


async def look_at_credentials(accounts: Accounts) -> None:
    """Until cancelled: a duty of a node whose credentials of people are in a bucket."""
    while True:
        await asyncio.to_thread(accounts.look)
        await asyncio.sleep(CREDENTIALS_SECONDS)


async def look_at_tokens(tokens: Tokens) -> None:
    """Until cancelled: a duty of a node whose tokens are in a bucket."""
    while True:
        await asyncio.to_thread(tokens.look, time.time())
        await asyncio.sleep(TOKENS_SECONDS)
