"""A worker's access to proofs: asked of the supervisor, which has each blob read once for all workers."""

from collections.abc import Callable
from typing import NamedTuple

from edge.node.proving.verdicts import DamagedBlob, NotProvenYet
from edge.node.service.numbered_replies import NumberedReplies
from edge.store.disk.file_proof import FileIdentity

ANSWER_SECONDS = 600.0  # devices leave long before; a blob of 1 GiB on a slow disk takes minutes


class ProofAnswer(NamedTuple):
    """The supervisor's: no `identity` for a damaged blob, or, with `later`, for one that could not be judged."""

    identity: FileIdentity | None
    later: bool


class ProofClient:
    """A ProofPort. `ask(number, digest, app)` sends a question."""

    def __init__(self, ask: Callable[[int, str, str], None]) -> None:
        self._ask = ask
        self._replies = NumberedReplies[ProofAnswer]()

    async def prove(self, digest: str, app: str) -> FileIdentity:
        """As in `ProofPort`."""
        try:
            answer = await self._replies.request(lambda number: self._ask(number, digest, app), ANSWER_SECONDS)
        except TimeoutError as error:
            raise NotProvenYet("the supervisor does not answer") from error
        if answer.later:
            raise NotProvenYet("the supervisor cannot tell now")
        if answer.identity is None:
            raise DamagedBlob(digest)
        return answer.identity

    def settle(self, number: int, answer: ProofAnswer) -> None:
        """Pass on the reply to the request that waits for it."""
        self._replies.settle(number, answer)

    def give_up(self) -> None:
        """The supervisor is gone: whoever waits is told to come again."""
        self._replies.settle_all(ProofAnswer(None, True))
