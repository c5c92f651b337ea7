"""The published Electron package as a client: one Node process per launch, with a stub in place of Electron."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.real_plugin.jvm import ENVIRON, read_answer, read_launch, run
from tests.real_plugin.phone import Answered, Launch, Phone

DRIVER = Path(__file__).with_name("driver.js")


class RealElectron:
    """Plays desktop installations with one release of `@capgo/electron-updater`, which `build.sh` has fetched."""

    def __init__(self, release: str) -> None:
        cache = ENVIRON.get("EDGE_REAL_PLUGIN_CACHE") or str(Path(tempfile.gettempdir()) / "edge-real-plugin")
        self._package = Path(cache) / f"electron-{release}"

    def launch(self, phone: Phone, url: str, log: Path, *, boot_ok: bool, settle: float) -> Launch:
        return read_launch(self._run(phone, url, log, ready=boot_ok), phone)

    def call(self, phone: Phone, url: str, log: Path, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Answered]:
        answers = [read_answer(each) for each in self._run(phone, url, log, calls=calls)["answers"]]
        # It does not reject: a refusal is a value with a status of its own.
        return [
            each._replace(error=each.value.get("error") or "refused") if each.value.get("status") == "error" else each
            for each in answers
        ]

    def _run(self, phone: Phone, url: str, log: Path, **what: Any) -> dict[str, Any]:
        options = {
            "url": url,
            "app": phone.app,
            "device": phone.device_id,
            "state": str(phone.folder),
            "native": phone.native,
            "running": phone.running,
            "key": str(phone.public_key or ""),
            "direct": phone.direct_update,
        }
        return run(["node", str(DRIVER), str(self._package), json.dumps(options | what)], log)
