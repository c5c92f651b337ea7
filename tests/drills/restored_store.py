"""Parts of a node's store are put back to an old copy, or lost, in every combination: what comes back of the past?

    python -m tests.drills.restored_store [--combinations 0] [--forget]

A real node publishes, a copy is taken of its store, and then a bundle is withdrawn, a version published and a token
revoked. For each combination the stopped node gets parts of the copy back, starts, and is asked as a device, as an
operator and with the revoked token; then an operator accepts the store, and everything is asked again. Prints a line
for each; exit code 1 when a withdrawn bundle is offered, the app is called unknown, a revoked token is taken, a used
version name gets other files, or nothing can be published after the acceptance. With `--forget` the node's memory is
deleted before each start, which shows what it is for: then most combinations fail.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from edge.assembly.standalone import Standalone
from edge.cli.demo.demo import prepare
from edge.cli.demo.release import APP, CHANNEL, NATIVE, RELEASES
from edge.config import Config, Control, Devices, Log
from edge.domain.errors import EdgeError

PARTS = ("heads", "access", "apps", "keys")
OLD, WITHDRAWN, SINCE, NEXT = RELEASES[0].version, RELEASES[1].version, "9.0.0", "9.1.0"
HEADINGS = ("put back", "lost", "", "device", "revoked token", "used name", "new version")

QUESTION = {
    "platform": "android",
    "device_id": "00009a6b-eefe-490a-9c60-8e965132ae51",
    "app_id": APP,
    "version_build": NATIVE,
    "version_name": NATIVE,
    "plugin_version": "8.51.14",
}


class Told(NamedTuple):
    """What a device is offered, and the outcome of three requests to the control API."""

    device: str
    revoked: str
    used: str
    new: str

    def past(self) -> list[str]:
        """What of the past came back."""
        wrong = {
            "a withdrawn bundle is offered": self.device == WITHDRAWN,
            "the app is unknown": "on_premise_app" in self.device,
            "a revoked token is taken": self.revoked != "unauthorized",
            "a used version name got other files": self.used == "done",
        }
        return [words for words, holds in wrong.items() if holds]


class Operator:
    """Requests to the control API of a running node."""

    def __init__(self, session: aiohttp.ClientSession, node: Standalone) -> None:
        self._session = session
        self._base = f"http://127.0.0.1:{node.control_port}"
        self.token = node.admin_token_file.read_text().strip()

    async def __call__(self, method: str, path: str, body: Any = None, token: str = "") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        async with self._session.request(method, self._base + path, json=body, headers=headers) as response:
            return await response.json()

    async def outcome(self, method: str, path: str, body: Any = None, token: str = "") -> str:
        """`done`, or the code of the refusal."""
        answer = await self(method, path, body, token)
        return str(answer.get("error", "done"))

    async def publish(self, version: str, like: dict[str, Any]) -> str:
        """Under another name, the files of a bundle that there is."""
        body = {"version": version, "zip": like["zip"], "manifest": like["manifest"]}
        return await self.outcome("POST", f"/v1/apps/{APP}/bundles", body)


class Past(NamedTuple):
    """The bundles to publish like, and the secret of the token that was revoked."""

    old: dict[str, Any]
    withdrawn: dict[str, Any]
    secret: str


def a_node(folder: Path) -> Standalone:
    devices = Devices(host="127.0.0.1", port=0, workers=1, drain_seconds=1.0)
    return Standalone(Config(data_dir=str(folder), devices=devices, control=Control(port=0), log=Log(level="error")))


async def make_past(folder: Path, copy: Path) -> Past:
    node = a_node(folder)
    async with node.running(), aiohttp.ClientSession() as session:
        await asyncio.to_thread(prepare, node)
        operator = Operator(session, node)
        await operator("PATCH", f"/v1/apps/{APP}/channels/{CHANNEL}", {"bundle": WITHDRAWN})
        made = await operator("POST", "/v1/tokens", {"name": "ci", "role": "publisher", "app": None})
        shutil.copytree(folder / "store", copy)
        old, withdrawn = [await operator("GET", f"/v1/apps/{APP}/bundles/{each}") for each in (OLD, WITHDRAWN)]
        await operator("POST", f"/v1/apps/{APP}/bundles/{WITHDRAWN}/withdraw", {"reason": "it crashes"})
        assert await operator.publish(SINCE, old) == "done"
        await operator("DELETE", "/v1/tokens/ci")
    return Past(old, withdrawn, made["token"])


async def ask(node: Standalone, session: aiohttp.ClientSession, operator: Operator, past: Past) -> Told:
    async with session.post(f"http://127.0.0.1:{node.device_port}/updates", json=QUESTION) as response:
        answer = await response.json()
    offered = answer["version"] if answer.get("url") else answer.get("error") or answer.get("kind") or "nothing new"
    return Told(
        offered,
        await operator.outcome("GET", "/v1/token", token=past.secret),
        await operator.publish(SINCE, past.withdrawn),
        await operator.publish(NEXT, past.old),
    )


async def run(folder: Path, past: Past) -> tuple[Told, Told, bool]:
    """Before and after the acceptance, and whether something was refused."""
    node = a_node(folder)
    async with node.running(), aiohttp.ClientSession() as session:
        operator = Operator(session, node)
        before = await ask(node, session, operator, past)
        view = await operator("POST", "/v1/store/accept-restored")
        async with asyncio.timeout(60):  # the workers are told within a second
            while (await operator("GET", "/v1/node"))["damaged"]:
                await asyncio.sleep(0.1)
        return before, await ask(node, session, operator, past), bool(view.get("refused"))


def cases() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What is put back to the old copy, and what is lost: everything alone and together."""
    for size in range(len(PARTS) + 1):
        for back in combinations(PARTS, size):
            yield back, ()
            for lost in ("heads", "access", "keys"):
                if lost not in back:
                    yield back, (lost,)


def shown(words: tuple[str, ...]) -> str:
    return " ".join(f"{word:<{width}}" for word, width in zip(words, (23, 7, 9, 14, 14, 14, 12), strict=True))


async def drill(limit: int, *, forget: bool) -> int:
    failures = 0
    print(shown(HEADINGS))
    with tempfile.TemporaryDirectory() as top:
        origin, copy = Path(top) / "origin", Path(top) / "copy"
        past = await make_past(origin, copy)
        for number, (back, lost) in enumerate(list(cases())[: limit or None]):
            folder = Path(top) / f"case-{number}"
            shutil.copytree(origin, folder)
            for part in (*back, *lost):
                shutil.rmtree(folder / "store" / part)
            for part in back:
                shutil.copytree(copy / part, folder / "store" / part)
            if forget:
                shutil.rmtree(folder / "node" / "seen")
            try:
                before, after, refused = await run(folder, past)
            except EdgeError as error:
                failures += not forget
                print(f"{'+'.join(back) or '-'}, lost {'+'.join(lost) or '-'}: does not start: {error.message}")
                continue
            names = ("+".join(back) or "-", "+".join(lost) or "-")
            print(shown((*names, "started", *before)))
            print(shown(("", "", "accepted" if refused else "as it was", *after)), flush=True)
            wrong = [*before.past(), *after.past(), *([] if after.new == "done" else ["nothing can be published"])]
            failures += bool(wrong)
            for each in wrong:
                print(f"  FAILED: {each}")
            shutil.rmtree(folder)
    print(f"{failures} of {number + 1} combinations failed")
    return failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--combinations", type=int, default=0, help="only the first of them; 0: all")
    parser.add_argument("--forget", action="store_true", help="delete what the node has seen before each start")
    words = parser.parse_args()
    sys.exit(bool(asyncio.run(drill(words.combinations, forget=words.forget))))


if __name__ == "__main__":
    main()
