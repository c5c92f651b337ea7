"""A browser without a screen: keeps its cookie, states where its forms come from, reads what it gets."""

import re
from html.parser import HTMLParser

COOKIE = "edge_session"


class Seen(HTMLParser):
    """The parts of a document that tests ask for: links, forms' hidden fields, and the text."""

    def __init__(self, source):
        super().__init__()
        self.links, self.fields, self.words = [], {}, []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "input" and found.get("type") == "hidden":
            self.fields[found["name"]] = found.get("value", "")

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words)).strip()


class Page:
    """One answer."""

    def __init__(self, response, source):
        self.status, self.headers, self.source = response.status, response.headers, source
        self.cookies = response.cookies
        self.seen = Seen(source)

    @property
    def text(self):
        return self.seen.text

    @property
    def location(self):
        return self.headers.get("Location", "")


class Browser:
    """The cookie is kept by hand, so that a test can withhold it."""

    def __init__(self, client, secrets):
        self.client, self.secrets, self.cookie = client, secrets, ""
        self.host = f"127.0.0.1:{client.port}"
        self.form_token = ""

    async def get(self, path, **headers):
        return await self._ask("GET", path, headers)

    async def head(self, path):
        return await self._ask("HEAD", path, {})

    async def post(self, path, fields, origin=None, **headers):
        headers = {"Origin": origin or f"http://{self.host}"} | headers
        return await self._ask("POST", path, headers, {"form_token": self.form_token} | fields)

    async def _ask(self, method, path, headers, fields=None):
        self.client.session.cookie_jar.clear()
        if self.cookie:
            headers = {"Cookie": f"{COOKIE}={self.cookie}"} | headers
        async with self.client.request(method, path, headers=headers, data=fields, allow_redirects=False) as response:
            page = Page(response, await response.text())
        if COOKIE in response.cookies:
            self.cookie = response.cookies[COOKIE].value
        if token := page.seen.fields.get("form_token"):
            self.form_token = token
        return page

    async def sign_in(self, name, after="/"):
        page = await self.post("/login", {"token": self.secrets[name], "next": after})
        assert page.status == 303, page.text
        return await self.get("/")
