"""The calls by which an app chooses its channel, as a release sends and reads them (PROTOCOL.md §3).

From x.34 and 8.2.0 the device keeps the choice and the server only allows or refuses it; older releases leave it to
the server.
"""

import json
from typing import Any, NamedTuple
from urllib.parse import urlencode

from edge.device.network import DeviceNetwork, NetworkReply, TransferFailed
from edge.device.profile import Profile
from edge.device.rate_limit import RateGate
from edge.device.state import BUILTIN_ID, DeviceState


class Answered(NamedTuple):
    """The result for the app's own code: `value` if the call resolves, `error` (a code) if it is rejected."""

    value: dict[str, Any]
    error: str = ""


class Channels:
    """The channel calls of one launch."""

    def __init__(self, profile: Profile, state: DeviceState, gate: RateGate, channel_url: str) -> None:
        self._profile = profile
        self._state = state
        self._gate = gate
        self._url = channel_url

    async def set(self, network: DeviceNetwork, info: dict[str, Any], channel: str, now: float) -> Answered:
        """`info` is the current info object, `now` is in seconds since the epoch; likewise in the other calls."""
        answered = await self._ask(network, "POST", info | {"channel": channel}, now)
        if not answered.error and self._profile.keeps_channel:
            unset = self._profile.channel_reply_unsets and answered.value.get("unset") is True
            self._state.choose("" if unset else channel)
        return answered

    async def unset(self, network: DeviceNetwork, info: dict[str, Any], now: float) -> Answered:
        if not self._profile.keeps_channel:
            return await self._ask(network, "DELETE", info, now)
        self._state.choose("")
        return Answered({"status": "ok", "message": "Channel override removed"})

    async def get(self, network: DeviceNetwork, info: dict[str, Any], now: float) -> Answered:
        answered = await self._ask(network, "PUT", info, now)
        channel = answered.value.get("channel")
        if self._profile.keeps_channel_of_get and isinstance(channel, str) and channel.strip() not in ("", BUILTIN_ID):
            self._state.choose(channel.strip())
        return answered

    async def list(self, network: DeviceNetwork, info: dict[str, Any], now: float) -> Answered:
        if not self._profile.lists_channels:
            return Answered({}, "not_implemented")
        query = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in info.items()}
        reply = await self._send(network, "GET", f"{self._url}?{urlencode(query)}", b"", now)
        channels = _parse(reply)
        if isinstance(channels, list):
            return Answered({"channels": channels})
        return self._refusal(reply, channels)

    async def _ask(self, network: DeviceNetwork, method: str, body: dict[str, Any], now: float) -> Answered:
        reply = await self._send(network, method, self._url, json.dumps(body).encode(), now)
        answer = _parse(reply)
        if reply is not None and 200 <= reply.status < 300 and isinstance(answer, dict) and "error" not in answer:
            return Answered(answer)
        return self._refusal(reply, answer)

    async def _send(
        self, network: DeviceNetwork, method: str, url: str, body: bytes, now: float
    ) -> NetworkReply | None:
        if self._gate.closed(now):
            return None
        try:
            reply = await network.post(url, body, method)
        except TransferFailed:
            return None
        if reply.status == 429:
            self._gate.take_429(reply.headers, reply.body, now)
        return reply

    def _refusal(self, reply: NetworkReply | None, answer: Any) -> Answered:
        if reply is None:
            return Answered({}, "network_error")
        if not 200 <= reply.status < 300:
            return Answered({}, "rate_limit_exceeded" if reply.status == 429 else "response_error")
        if not isinstance(answer, dict) or "error" not in answer:
            return Answered({}, "parse_error")
        return Answered({}, "server_error" if self._profile.hides_refusal_code else str(answer["error"]))


def _parse(reply: NetworkReply | None) -> Any:
    try:
        return json.loads(reply.body) if reply is not None else None
    except ValueError:
        return None
