"""An OpenID Connect provider that does what a test wants, wrong things included, over real HTTP.

It remembers what it was asked. The real one, npm's, is `oidc_provider`'s.
"""

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qs, quote, urlsplit

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT_ID, CLIENT_SECRET = "edge-page", "s:cr et/äü"
EC = ECKey.generate_key("P-256")
OTHER_EC = ECKey.generate_key("P-256")


def sign(claims, key=EC, kid="k1", alg="ES256", **header):
    head = {"alg": alg, **({"kid": kid} if kid else {}), **header}
    return jwt.encode(head, claims, key, algorithms=[alg])


def unsigned(claims, kid="k1"):
    return f"{_part(json.dumps({'alg': 'none', 'kid': kid}))}.{_part(json.dumps(claims))}."


def hs256(claims, secret, kid="k1"):
    """By hand: joserfc refuses a public key as a secret, a forger does not."""
    signed = f"{_part(json.dumps({'alg': 'HS256', 'kid': kid}))}.{_part(json.dumps(claims))}"
    return f"{signed}.{_part(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _part(value):
    value = value.encode() if isinstance(value, str) else value
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def public(key, kid="k1", **more):
    return {**key.as_dict(private=False), "kid": kid, **more}


class OidcDouble:
    """`claims` and `userinfo` go out; `metadata`, `make_token` and `keys` may be replaced."""

    def __init__(self, now):
        self.now = now
        self.keys = [public(EC)]
        self.person = {"sub": "s-1", "email": "anna@example.com", "email_verified": True, "groups": ["releases"]}
        self.userinfo = None  # as the person's
        self.metadata = {}
        self.claims = {}
        self.make_token = sign
        self.asked = []
        self.codes = {}
        self.raw = {}  # path -> (status, headers, body): instead of an answer

    async def start(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.issuer = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def stop(self):
        await self._runner.cleanup()

    def authorize(self, address, **more):
        """What the browser's visit to the provider gives: the query of its return."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"], "iss": self.issuer} | more

    def count(self, path):
        return sum(each == path for each in self.asked)

    async def _answer(self, request):
        self.asked.append(request.path)
        if request.path in self.raw:
            status, headers, body = self.raw[request.path]
            return web.Response(status=status, headers=headers, body=body)
        match request.path:
            case "/.well-known/openid-configuration":
                return web.json_response(self._metadata())
            case "/jwks":
                return web.json_response({"keys": self.keys})
            case "/token":
                return await self._token(request)
            case "/me":
                return web.json_response(self.userinfo or self.person)
        return web.Response(status=404)

    def _metadata(self):
        base = self.issuer
        return {
            "issuer": base,
            "authorization_endpoint": f"{base}/auth",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/jwks",
            "userinfo_endpoint": f"{base}/me",
            "id_token_signing_alg_values_supported": ["ES256", "RS256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        } | self.metadata

    async def _token(self, request):
        form = await request.post()
        asked = self.codes.pop(form["code"], None)
        verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        known = request.headers.get("Authorization", "") == _basic(CLIENT_ID, CLIENT_SECRET) or (
            (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        )
        if asked is None or not known or challenge != asked["code_challenge"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        if form["redirect_uri"] != asked["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"id_token": self.make_token(self.id_claims(asked["nonce"])), "access_token": "at"})

    def id_claims(self, nonce):
        now = int(self.now())
        ordinary = {"iss": self.issuer, "aud": CLIENT_ID, "exp": now + 300, "iat": now, "nonce": nonce, "sub": "s-1"}
        return {name: value for name, value in (ordinary | self.claims).items() if value is not None}


def _basic(name, secret):
    pair = f"{quote(name, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def rsa():
    return RSAKey.generate_key(2048)
