"""What happens in the demo: a release spreads, the next one fails and is paused by the guard, and an experiment ends.

The story changes the app through the control API, as a person would, and each change says why. It goes on from what
the app's state says, so a second run continues, and what somebody did meanwhile is left alone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from edge.cli.demo.fleet import BUSY_SECONDS, CALM_SECONDS, Fleet
from edge.cli.demo.release import ANEW, APP, BAD, CHANNEL, GOOD, RELEASES, STORY
from edge.cli.terminal.client import ControlClient, RequestRefused, app_path
from edge.domain.errors import EdgeError

EXPERIMENT = "checkout"
ARMS = {"as-it-was": GOOD.version, "one-step": ANEW.version}
QUESTION = "Do more people check out if that takes one step?"
MEASURES = ("event:checkout", "failed")
SHOWN = ("more", "fewer")  # states of a comparison that shows something
LOOK_AGAIN_SECONDS = 2.0


class Tempo(NamedTuple):
    """How long, in seconds: a step of a rollout; for people to look at the paused release; until the guard must have
    paused it, and until the experiment must have shown something."""

    step: float = 15.0
    look: float = 60.0
    guard: float = 180.0
    experiment: float = 300.0


PERSON = Tempo()
CHECK = Tempo(step=9.0, look=0.0, guard=120.0, experiment=120.0)


class StoryTold(NamedTuple):
    """What came of it; empty: not in this run."""

    spread: str = ""
    paused: str = ""
    rolled_back: str = ""
    shown: str = ""


class Story:
    """With a fleet that is large enough to show something. `say` is told what happens; requests block, so they are made
    in threads."""

    def __init__(
        self,
        client: ControlClient,
        fleet: Fleet,
        say: Callable[[str], None],
        tempo: Tempo = PERSON,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._fleet, self._say, self._tempo = client, fleet, say, tempo
        self._sleep, self._clock = sleep, clock

    async def tell(self) -> StoryTold:
        """From where it is to its end. What somebody else does in between ends it, with a sentence that says so."""
        told = StoryTold()
        try:
            self._fleet.between_seconds = BUSY_SECONDS
            told = told._replace(spread=await self._spread())
            told = told._replace(paused=await self._pause())
            told = told._replace(rolled_back=await self._roll_back())
            told = told._replace(shown=await self._compare())
        except EdgeError as error:
            self._say(f"the story ends here: {error.message}")
        finally:
            self._fleet.between_seconds = CALM_SECONDS
        return told

    async def _spread(self) -> str:
        if (await self._channel())["bundle"] != RELEASES[-1].version:
            return ""
        await self._roll_out(GOOD.version, ("10%", "50%", "100%"))
        await self._move("promote", "no complaints after three steps")
        self._say(f"{GOOD.version} is what all devices get")
        return GOOD.version

    async def _pause(self) -> str:
        """The guard's sentence."""
        channel = await self._channel()
        rollout = channel["rollout"] or {}
        if channel["bundle"] != GOOD.version or _was_taken_back(channel) or channel["experiment"]:
            return ""
        if rollout.get("bundle") != BAD.version or rollout["phase"] == "running":
            await self._roll_out(BAD.version, ("50%", "100%"))
        until = self._clock() + self._tempo.guard
        while (await self._channel())["rollout"]["phase"] == "running":
            if self._clock() > until:
                self._say(f"the guard has not paused {BAD.version} within {self._tempo.guard:.0f} s")
                return ""
            await self._sleep(LOOK_AGAIN_SECONDS)
        entries = (await self._get("channels", CHANNEL, "guard", "history"))["entries"]
        deed = next((each for each in entries if each["deed"] == "pause" and each["bundle"] == BAD.version), None)
        if deed is None:
            return ""  # somebody was faster
        seconds = deed["at"] - (await self._get("channels", CHANNEL, "rollout"))["started"]
        reason = str(deed["reason"]).removeprefix("paused: ")
        self._say(f"the guard has paused {BAD.version} after {seconds:.0f} s: {reason}")
        return reason

    async def _roll_back(self) -> str:
        rollout = (await self._channel())["rollout"] or {}
        if rollout.get("bundle") != BAD.version or rollout.get("phase") != "paused":
            return ""
        if self._tempo.look:
            self._say(f"look at it and decide; {BAD.version} is rolled back in {self._tempo.look:.0f} s")
            await self._sleep(self._tempo.look)
        if (await self._channel())["rollout"]["phase"] != "paused":
            return ""
        await self._move("rollback", "fails on one start in ten")
        self._say(f"{BAD.version} is rolled back: devices get {GOOD.version} again")
        return BAD.version

    async def _compare(self) -> str:
        """The experiment's sentence."""
        channel = await self._channel()
        if channel["bundle"] != GOOD.version or (channel["rollout"] or {}).get("phase") in ("running", "paused"):
            return ""
        if channel["experiment"] is None:
            arms = [{"name": name, "bundle": bundle, "share": "50%"} for name, bundle in ARMS.items()]
            asked = {"name": EXPERIMENT, "arms": arms, "question": QUESTION, "measures": MEASURES}
            await self._post(asked, "channels", CHANNEL, "experiment", why=QUESTION)
            self._say(f"an experiment begins: {GOOD.version} and {ANEW.version}, half of the devices each")
        until = self._clock() + self._tempo.experiment
        while (found := _shown_in(await self._get("channels", CHANNEL, "experiment", "reading"))) is None:
            if self._clock() > until:
                self._say("the experiment shows nothing yet; it goes on")
                return ""
            await self._sleep(LOOK_AGAIN_SECONDS)
        self._say(f"the experiment shows: {found['sentence']}")
        sentence = str(found["sentence"])
        await self._post({"keep": "one-step"}, "channels", CHANNEL, "experiment", "stop", why=sentence)
        self._say(f"{ANEW.version} is kept")
        return sentence

    async def _roll_out(self, version: str, steps: tuple[str, ...]) -> None:
        """To its last step, from the present one if it has begun."""
        done = await self._steps_done(version)
        if not done:
            news = next(each.news for each in STORY if each.version == version)
            await self._post({"bundle": version, "steps": steps}, "channels", CHANNEL, "rollout", why=f"ready: {news}")
            self._say(f"{version} goes to {steps[0]} of the devices")
        for step in steps[done or 1 :]:
            await self._sleep(self._tempo.step)
            try:
                await self._move("advance", "nothing speaks against it")
            except RequestRefused:  # paused meanwhile
                return
            self._say(f"{version} goes to {step}")
        await self._sleep(self._tempo.step)

    async def _steps_done(self, version: str) -> int:
        """How many steps a rollout of it has begun; 0 if none is active."""
        rollout = (await self._channel())["rollout"]
        if rollout is None or rollout["bundle"] != version or rollout["phase"] not in ("running", "paused"):
            return 0
        return int((await self._get("channels", CHANNEL, "rollout"))["step"])

    async def _move(self, move: str, why: str) -> None:
        await self._post(None, "channels", CHANNEL, "rollout", move, why=why)

    async def _channel(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._get("channels", CHANNEL)
        return found

    async def _get(self, *parts: str) -> Any:
        return await asyncio.to_thread(self._client.get, app_path(APP, *parts))

    async def _post(self, body: Any, *parts: str, why: str) -> Any:
        self._client.reason = why
        return await asyncio.to_thread(self._client.post, app_path(APP, *parts), body)


def is_told(client: ControlClient) -> bool:
    """Whether the story is over, or somebody made another one of it. Blocks."""
    return client.get(app_path(APP, "channels", CHANNEL))["bundle"] not in (RELEASES[-1].version, GOOD.version)


def _was_taken_back(channel: dict[str, Any]) -> bool:
    return BAD.version in {each["bundle"] for each in channel["taken_back"]}


def _shown_in(reading: dict[str, Any]) -> dict[str, Any] | None:
    """The first comparison that shows a difference."""
    found = (each for measure in reading["measures"] for each in measure["comparisons"])
    return next((each for each in found if each["state"] in SHOWN), None)
