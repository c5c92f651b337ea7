"""Answers about the store that this node serves from."""

from edge.control.shapes.common import AnswerBody


class RestoredApp(AnswerBody, frozen=True, kw_only=True):
    """An app that goes back from revision `seen` (0: unknown) to the state of `restored` (0: it was not there), which
    is recorded as `revision`. `withdrawn` are the bundles that are withdrawn again, `kept` the other version names that
    stay taken."""

    app: str
    seen: int
    restored: int
    revision: int
    withdrawn: list[str]
    kept: list[str]


class RestoredShard(AnswerBody, frozen=True, kw_only=True):
    """A head shard that is refused, and the apps in it that go back; `unchanged` counts the others."""

    shard: str
    problem: str
    apps: list[RestoredApp]
    unchanged: int


class RestoredTokens(AnswerBody, frozen=True, kw_only=True):
    """`revoked` are names of restored tokens that are revoked again, `brought_back` of those that were missing."""

    problem: str
    revoked: list[str]
    brought_back: list[str]


class RestoredPeople(AnswerBody, frozen=True, kw_only=True):
    """`removed` are restored people that are removed again, `brought_back` those that were missing."""

    problem: str
    removed: list[str]
    brought_back: list[str]


class RestoredView(AnswerBody, frozen=True, kw_only=True):
    """What of the store is refused, because it went back to an old copy, and what accepting it does or did. `refused`
    is false where nothing is. `keys` is what is wrong with the key set, empty if nothing is; it is put back, and so is
    what is wrong with the credentials of push providers, `push`."""

    refused: bool
    keys: str
    tokens: RestoredTokens | None
    people: RestoredPeople | None = None
    push: str = ""
    credentials: str = ""
    shards: list[RestoredShard]
