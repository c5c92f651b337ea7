"""What any such process is asked, and what it says, framed as the messages of workers (`node.processes.link`)."""

import msgspec

from edge.domain.errors import (
    Conflict,
    EdgeError,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    OutOfRoom,
    TooLarge,
    Unavailable,
)


class Ask(msgspec.Struct, frozen=True, tag=True):
    """Reply `AskAnswered` or `Declined` with this number. `parameters` are JSON. `fresh`: first count what is
    acknowledged by now, in a process that counts."""

    number: int
    question: str
    parameters: bytes
    fresh: bool = True


class AskAnswered(msgspec.Struct, frozen=True, tag=True):
    """`answer` is JSON."""

    number: int
    answer: bytes


class Declined(msgspec.Struct, frozen=True, tag=True):
    """There is no answer: an EdgeError, by its parts."""

    number: int
    status: int
    code: str
    message: str

    def error(self) -> EdgeError:
        """As it was raised."""
        return _KINDS.get(self.status, Unavailable)(self.code, self.message)


class Beat(msgspec.Struct, frozen=True, tag=True):
    """The process is alive, whatever it is doing."""


_KINDS: dict[int, type[EdgeError]] = {
    each.status: each for each in (Malformed, Forbidden, NotFound, Conflict, TooLarge, Invalid, Unavailable, OutOfRoom)
}


def declined(number: int, error: EdgeError) -> Declined:
    """The message for an error."""
    return Declined(number, error.status, error.code, error.message)
