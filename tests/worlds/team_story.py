"""What several people do on a node: roles and tokens, features, proposals, freezes and messages of one app."""

import time
import uuid

from tests.worlds.login_screens import PersonAtScreen, ask

TEAM_APP = "com.acme.shop"
CARLA, PASSWORD = "carla@example.com", "the heron waits by the lock"
TARGETED = 'platform == "android" && (version_os >= "13" || custom_id in ["qa-1", "qa-2", "qa-3"])'
WEBHOOK = {"EDGE_PUSH_ALLOW_HTTP": "true", "EDGE_PUSH_ALLOWED_NETWORKS": "127.0.0.1"}
LOOKS = 300  # at what is counted every ten seconds


class TeamStory:
    """Told through `story`, on a node of it; `proposals` are their ids, by what they ask for."""

    def __init__(self, story):
        self.story, self.node, self.proposals, self.registered = story, story.node, {}, 0

    def tell(self, phones=40):
        self.people()
        self.story.make(TEAM_APP, ("production", "--public"))
        self.story.publish(TEAM_APP, "3.1.0", "--channel", "production")
        fleet = self.story.phones(TEAM_APP, phones, "3.0.0", 20_000)
        self.story.update(fleet)
        self.features(fleet)
        self.messages(fleet)
        self.registered = len(fleet)
        self.waiting()
        return self

    def people(self):
        for mail, name, role in (
            (CARLA, "Carla Ruiz", "admin"),
            ("ben@example.com", "Ben", "releaser"),
            ("first.middle.last-with-a-long-name@subsidiary.example.com", "", "viewer"),
        ):
            holds = [{"role": role, "scope": "everything"}]
            ask(self.node, "POST", "/v1/people", {"mail": mail, "words": name, "holds": holds})
        self.node.text("org", "create", "retail")
        self.node.text("role", "set", "night-watch", "--permission", "roll_back", "--words", "Stops at night")
        self.node.text("person", "map", "releases@example.com", "releaser", "--org", "retail")
        self.node.text("token", "create", "ci-of-the-shop", "--role", "publisher", "--app", TEAM_APP, "--for", "90d")

    def features(self, fleet):
        app, set_one = TEAM_APP, ("feature", "set", TEAM_APP)
        self.node.text("segment", "set", app, "testers", "--where", 'custom_id.startsWith("qa-")')
        self.node.text(
            *set_one,
            "checkout",
            "--type",
            "boolean",
            "--default",
            "false",
            "--note",
            "--needs",
            "3.0",
            "--rule",
            "testers => true",
            "--rule",
            f"newer: {TARGETED} @ 40% => true",
            "--share",
            "10% => true",
            "--about",
            "The checkout with one page instead of four",
        )
        self.node.text(
            *set_one,
            "layout",
            "--type",
            "json",
            "--default",
            '{"columns": 1, "order": ["price", "name"]}',
            "--rule",
            'testers => {"columns": 2, "order": ["name", "price", "rating", "delivery"]}',
        )
        self.node.text(*set_one, "retries", "--type", "integer", "--default", "3", "--server-only")
        self.node.text(*set_one, "banner", "--type", "string", "--default", '"none"', "--share", '50% => "winter"')
        self.node.text("feature", "kill", app, "banner", "--reason", "wrong price in it")
        self.node.text(
            "experiment",
            "start",
            app,
            "feature:checkout",
            "one-page",
            "--arm",
            "old=false:50",
            "--arm",
            "new=true:50",
            "--hold-out",
            "10%",
            "--asks",
            "Do more people buy with one page?",
        )
        for phone in fleet:
            context = {"targetingKey": phone.id, "platform": phone.platform, "version_os": phone.os}
            self.story.post(f"/features/{app}/ofrep/v1/evaluate/flags", {"context": context}, phone.network)

    def messages(self, fleet):
        self.node.text("push", "credentials", "set", TEAM_APP, "webhook", "http://127.0.0.1:9/receive")
        for phone in fleet:
            who = {"app_id": TEAM_APP, "device_id": phone.id, "provider": "webhook", "token": str(uuid.uuid4())}
            self.story.post("/push/register", who | {"consent": True}, phone.network)
        for _ in range(LOOKS):
            seen = self.node.json("message", "preview", TEAM_APP, "--title", "Winter sale")
            if seen["planned"] == len(fleet):
                break
            time.sleep(0.2)
        else:
            raise AssertionError("the registered devices were not counted")
        self.node.text(
            "message",
            "create",
            TEAM_APP,
            "--title",
            "Winter sale",
            "--title",
            "Only this week: winter",
            "--body",
            "Up to half off",
            "--when",
            "best",
            "--hold-out",
            "5%",
            "--yes",
            str(len(fleet)),
        )

    def waiting(self):
        """A publish, a feature and a message that wait for somebody else; a freeze to come and one of now."""
        self.node.text("app", "set", TEAM_APP, "--approve", "production:2")
        self.node.text("app", "set", TEAM_APP, "--approve", "app:2")
        build = self.story.build(TEAM_APP, "3.2.0")
        self.node.run("bundle", "publish", TEAM_APP, build, "--version", "3.2.0", "--channel", "production", "--yes")
        self._note("publish")
        self.node.run(
            "feature", "set", TEAM_APP, "checkout", "--share", "100% => true", "--reason", "Nobody complained"
        )
        self._note("feature")
        self.node.run(
            "message", "create", TEAM_APP, "--title", "We moved", "--body", "See where", "--yes", str(self.registered)
        )
        self._note("message")
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86_400))
        end = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 40 * 86_400))
        why = ("--except", "rollback", "--reason", "Holidays: nobody is at the desk")
        self.node.text("freeze", TEAM_APP, "--from", day, "--until", end, *why)

    def _note(self, name):
        new = {each["id"] for each in self.node.json("proposal", "list", TEAM_APP)} - set(self.proposals.values())
        (self.proposals[name],) = new

    def pages(self):
        app, base = f"/apps/{TEAM_APP}", f"/apps/{TEAM_APP}/features"
        new = f"{app}/acts/new-feature"
        made = (
            "type=string&name=greeting&default=%22hello%22&rules=testers+%3D%3E+%22hi%22&share=10%25+%3D%3E+%22hey%22"
        )
        return {
            "features": base,
            "feature": f"{base}/checkout",
            "feature-killed": f"{base}/banner",
            "feature-json": f"{base}/layout",
            "feature-new": new,
            "feature-confirmed": f"{new}?{made}&about=&needs=&noted=",
            "feature-refused": f"{new}?{made.replace('testers', 'nobody')}&about=&needs=&noted=",
            "feature-set": f"{base}/checkout/acts/set",
            "feature-kill": f"{base}/checkout/acts/kill",
            "feature-experiment": f"{base}/checkout/experiment",
            "people": "/people",
            "person": f"/people/{CARLA}",
            "person-add": "/people/acts/add-person",
            "person-role": "/people/acts/give-role?person=ben@example.com",
            "person-invite": "/people/acts/invite?person=ben@example.com",
            "token-make": "/people/acts/make-token",
            "token-confirmed": f"/people/acts/make-token?name=ci&role=publisher&scope=app:{TEAM_APP}&lifetime=90d",
            "account": "/account",
            "app-team": app,
            "proposals": f"{app}/proposals",
            **{f"proposal-{name}": f"{app}/proposals/{each}" for name, each in self.proposals.items()},
            "approve": f"{app}/acts/approve?proposal={self.proposals['feature']}",
            "messages-team": f"{app}/messages",
        }


class TeamScreen(PersonAtScreen):
    """Carla's, whose password is set once by invitation."""

    def accept(self):
        page = self.open_invitation(CARLA)
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        page.get_by_role("button", name="Set the password").click()
        page.wait_for_selector("details.me")

    def sign_in(self):
        page = self.go("/login")
        page.get_by_label("Mail address").fill(CARLA)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).first.click()
        page.wait_for_selector("main h1")
        return self
