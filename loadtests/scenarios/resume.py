"""Downloads that break: a device reads a part, loses its connection, and requests the rest on a new one.

Every resumed answer must begin at the requested byte, and the parts together must match the address's digest. A device
with the whole file requests a range past the end, as Android does, and must get what its release reads as complete.
"""

import time

from edge.device.updating.answer import UpdateFound
from loadtests.behaviour import DeviceUser, expect_update, is_promised
from loadtests.devices import LoadDevice, draw_device
from loadtests.verdict import judge_as
from loadtests.world import CURRENT, OLD

CUTS = 3  # of one download, at most
READ_BYTES = 16 * 1024  # per read, so that a cut comes in the middle of a body
PAST_END_SHARE = 0.1
# The statuses allowed for a range from the end of a zip, by the `end` in its address.
PAST_END = {"empty": {206}, "whole": {200}, "": {416}}

judge_as("resume")


class CutDevices(DeviceUser):
    arrivals_per_second = 1.0

    def arrive(self, due: float) -> None:
        device = draw_device(self.mix, self.dice, running=OLD)
        found = self.check(device, due, expected=expect_update(CURRENT))
        if not isinstance(found, UpdateFound):
            return
        url = found.url if found.manifest is None else self.dice.choice(found.manifest).download_url
        content = self._fetch_in_pieces(url, device)
        if content and found.manifest is None and self.dice.random() < PAST_END_SHARE:
            self._ask_past_the_end(url, len(content), device)

    def _fetch_in_pieces(self, url: str, device: LoadDevice) -> bytes:
        began, content = time.perf_counter(), b""
        for piece in range(CUTS + 1):
            limit = None if piece == CUTS else self.dice.randrange(1, 400_000)
            more = self._fetch_piece(url, len(content), limit, device)
            if more is None:
                break
            content += more
            if limit is None or len(more) < limit:
                break
        whole = is_promised(url, content)
        self.record("put together", began, None if whole else ValueError("other bytes than the address names"))
        return content if whole else b""

    def _fetch_piece(self, url: str, offset: int, limit: int | None, device: LoadDevice) -> bytes | None:
        """Bytes from `offset` to the end, or until the cut after `limit` bytes; None for a wrong answer."""
        headers = device.download_headers(zip_client="/zip/" in url)
        if offset:
            headers["Range"] = f"bytes={offset}-"
        name = "/bundles rest" if offset else "/bundles first piece"
        with self.client.get(url, headers=headers, name=name, stream=True, catch_response=True) as response:
            if complaint := _complaint(response.status_code, response.headers, offset):
                response.failure(complaint)
                return None
            received = b""
            while limit is None or len(received) < limit:
                block = response.stream.read(READ_BYTES if limit is None else min(READ_BYTES, limit - len(received)))
                if not block:
                    break
                received += block
        self.client.client.close()  # the connection is cut, even if the node had more to send
        return received

    def _ask_past_the_end(self, url: str, size: int, device: LoadDevice) -> None:
        end = url.partition("?end=")[2]
        headers = device.download_headers(zip_client=True) | {"Range": f"bytes={size}-"}
        with self.client.get(url, headers=headers, name="/bundles past the end", catch_response=True) as response:
            if response.status_code in PAST_END[end]:
                response.success()
            else:
                response.failure(f"status {response.status_code} where the release expects {PAST_END[end]}")


def _complaint(status: int, headers: dict[str, str] | None, offset: int) -> str:
    if not offset:
        return "" if status == 200 else f"status {status}"
    begin = (headers or {}).get("content-range", "")
    return "" if status == 206 and begin.startswith(f"bytes {offset}-") else f"status {status}, range {begin!r}"
