"""A node with something to look at: apps whose devices ask, install and fail, as plain requests to a real node."""

import http.client
import json
import uuid
from urllib.parse import urlsplit

RIDER, DRIVER, KIOSK = "com.acme.rider", "com.acme.driver", "com.acme.kiosk"
PLUGIN = "8.51.14"
PAUSE_LOOKS = 200  # of some tenths of a second each
SYSTEMS = ("12", "9", "10", "13", "14", "15")  # every third phone runs iOS; a third of all fails on 9 and 10


class FakePhone:
    """What a phone says to a node. `runs` is the bundle that it runs; `id` says which phone it is."""

    def __init__(self, story, app, number, runs):
        self.story, self.app, self.runs = story, app, runs
        self.platform = "ios" if number % 3 == 0 else "android"
        self.os = "17.4" if self.platform == "ios" else SYSTEMS[number % len(SYSTEMS)]
        self.id = str(uuid.UUID(int=(number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))
        self.network = f"198.51.{number % 200}.7"

    def _body(self, **more):
        return {
            "platform": self.platform,
            "device_id": self.id,
            "app_id": self.app,
            "version_build": f"{self.runs.partition('.')[0]}.0.0",
            "version_code": "1",
            "version_name": self.runs,
            "version_os": self.os,
            "plugin_version": PLUGIN,
            "is_emulator": False,
            "is_prod": True,
        } | more

    def check(self, **more):
        """The version that it is offered, "" for none."""
        answer = self.story.post("/updates", self._body(**more), self.network)
        return answer["version"] if "url" in answer else ""

    def report(self, action, version, **more):
        return self.story.post("/stats", self._body(action=action, version_name=version, **more), self.network)

    def install(self, offered, *, fails=False, settles=True):
        """Download what was offered, and start it or fall back."""
        before = self.runs
        self.report("download_complete", offered)
        self.report("set", offered, old_version_name=before)
        if fails:
            self.report("update_fail", offered)
            return
        self.runs = offered
        if settles:
            self.report("app_launch_ready", offered)


class Story:
    """Apps on `node`, made with its own command, and their phones."""

    def __init__(self, node, folder):
        self.node, self.folder = node, folder
        place = urlsplit(node.devices)
        self._connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)

    def post(self, path, body, network):
        headers = {"Content-Type": "application/json", "X-Forwarded-For": network}
        self._connection.request("POST", path, json.dumps(body), headers)
        answer = self._connection.getresponse()
        return json.loads(answer.read() or b"{}")

    def close(self):
        self._connection.close()

    def publish(self, app, version, *args):
        return self.node.text("bundle", "publish", app, self.build(app, version), "--version", version, *args)

    def build(self, app, version):
        """The folder of a web build."""
        folder = self.folder / app / version
        if not folder.exists():
            (folder / "assets").mkdir(parents=True)
            (folder / "index.html").write_text(f"<!doctype html><title>{version}</title>")
            (folder / "assets" / "app.js").write_text(f"// {version}\n" + "export const answer = 42;\n" * 800)
        return folder

    def make(self, app, *channels):
        self.node.text("app", "create", app)
        for name, *options in channels:
            self.node.text("channel", "create", app, name, *options)

    def phones(self, app, count, runs, first=0):
        return [FakePhone(self, app, first + number, runs) for number in range(count)]

    def wait_until_paused(self, app=RIDER, channel="production"):
        """Until the guard has stopped the rollout; asking figures makes the node count."""
        for _ in range(PAUSE_LOOKS):
            if self.node.json("rollout", "show", app, channel)["phase"] == "paused":
                return
            self.node.text("stats", app)
        raise AssertionError("the guard did not stop the release")

    def update(self, fleet, fails=lambda phone: False, settles=lambda phone: True, **more):
        """All of them check, and then install what they were offered. In between the node counts the offers: it takes
        the time of an offer from when it is counted, and phones need longer than these. Returns those with an offer."""
        offered = [(phone, version) for phone in fleet if (version := phone.check(**more))]
        for version in {version for _, version in offered}:
            self.node.text("stats", fleet[0].app, "--bundle", version)  # another answer than a remembered one
        for phone, version in offered:
            phone.install(version, fails=fails(phone), settles=settles(phone))
        return [phone for phone, _ in offered]

    def tell(self, phones=60):
        """The whole story: a release that goes well, one that fails and is paused, an experiment, a segment."""
        self.calm()
        self.experiment(phones)
        return self.trouble(phones)

    def report_nodes(self):
        """Of regions that report here: one that is well, one that cannot reach its source."""
        changes = self.node.json("node", "list")[0]["report"]["changes"]
        well = {"name": "https://origin.example.com:8081", "verified_seconds": 8, "mirrored_bytes": 412_000_000}
        lost = well | {"verified_seconds": 1_150, "unreachable_seconds": 840, "why": "connection timed out"}
        for name, node, source, more in (
            ("eu-central-1a", "e1e1e1e1", well, {"changes": changes, "checks_per_second": 414.0}),
            ("us-east-1a", "a5a5a5a5", lost, {"changes": changes - 1, "stale": True, "refused": {"bad_signature": 3}}),
        ):
            said = {
                "region": name.rpartition("-")[0],
                "role": "region",
                "version": "0.1.0",
                "python": "3.11.2, profiled",
            }
            said |= {"workers": 4, "workers_ready": 4, "load": 0.3, "cores": 4, "source": source} | more
            said |= {"disk_free_bytes": 58_000_000_000, "disk_total_bytes": 200_000_000_000}
            token = self.node.json("token", "create", name, "--role", "node")["token"]
            place = urlsplit(self.node.control)
            connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            connection.request("POST", f"/v1/feed/nodes/{node}", json.dumps(said), headers)
            assert connection.getresponse().status == 200
            connection.close()

    def calm(self):
        """A kiosk app whose one release everybody has."""
        self.make(KIOSK, ("production", "--public"))
        self.publish(KIOSK, "1.8.4", "--channel", "production")
        self.update(self.phones(KIOSK, 24, "1.0.0", 5_000))

    def experiment(self, phones):
        """A driver app: a rollout on its way, and an experiment."""
        self.make(DRIVER, ("production", "--public"), ("beta", "--self-set"))
        for version in ("2.30.1", "2.31.0", "2.32.0"):
            self.publish(DRIVER, version, *(["--channel", "production"] if version == "2.30.1" else []))
        fleet = self.phones(DRIVER, phones, "2.30.0", 1_000)
        self.update(fleet)
        self.node.text(
            *("rollout", "start", DRIVER, "production", "--bundle", "2.31.0", "--steps", "25,50,100", "--every", "6h")
        )
        self.update(fleet)
        self.node.text("channel", "set", DRIVER, "beta", "--bundle", "2.31.0")
        self.node.text(
            *("experiment", "start", DRIVER, "beta", "checkout-order"),
            *("--arm", "control=2.31.0:50", "--arm", "new=2.32.0:50"),
        )
        testers = self.phones(DRIVER, phones, "2.30.1", 2_000)
        self.update(testers, settles=lambda phone: phone.os != "14", defaultChannel="beta")

    def trouble(self, phones):
        """A rider app: 4.11.3 for all, and 4.12.0, which fails on old systems. The phones that were offered it."""
        self.make(RIDER, ("production", "--public"), ("lab",))
        self.publish(RIDER, "4.11.3", "--channel", "production")
        fleet = self.phones(RIDER, phones * 3, "4.11.0", 9_000)
        self.update(fleet)
        self.publish(RIDER, "4.12.0")
        self.node.text(
            *("rollout", "start", RIDER, "production", "--bundle", "4.12.0", "--steps", "50,100", "--every", "6h")
        )
        self.node.text("segment", "set", RIDER, "old-systems", "--where", 'platform == "android" && version_os < "11"')
        return self.update(fleet, lambda phone: phone.os in ("9", "10"), lambda phone: phone.os != "15")
