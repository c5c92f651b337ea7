"""Credentials of an app at push providers: set, list, test and remove; a test message to one device. Nothing that is
secret is in any answer, but for the secret that this node makes, once."""

import asyncio
import secrets
from functools import partial
from typing import Any

from edge.control.access.roles import Permission
from edge.control.calls import Call, check_app
from edge.control.operations import Operation
from edge.control.push.probing import attempt, probe
from edge.control.push.push_credentials import Make, shown_of
from edge.control.push.push_desk import PushDesk
from edge.control.push.push_document import StoredPushCredentials
from edge.control.shapes.push.credentials import (
    PushCredentialsRemoved,
    PushCredentialsRequest,
    PushCredentialsSet,
    PushCredentialsTested,
    PushCredentialsView,
    PushDeviceTestRequest,
    PushTested,
    PushTestRequest,
)
from edge.domain.errors import NotFound, Unavailable
from edge.domain.model import AppId, parse_device_id
from edge.domain.pushing.payload import ProviderKind, PushPayload, PushTarget
from edge.push.providers.credentials import (
    TOKEN_HOSTS,
    Credentials,
    WebhookCredentials,
    WebPushCredentials,
    make_push_webhook,
    make_webpush,
    parse_apns_key,
    parse_fcm_file,
)
from edge.store.secrets.secret_box import SecretBox, sealed_with
from edge.wire.providers.limits import check_payload, parse_target

TEST_SECONDS = 300  # a device that is away for longer gets no test
PROVIDERS = ", ".join(each.value for each in ProviderKind)


async def handle_list(call: Call[None]) -> list[PushCredentialsView]:
    """By provider."""
    await check_app(call)
    credentials = _desk(call).credentials
    found = await asyncio.to_thread(credentials.stored, call.app)
    known = await asyncio.to_thread(_known_keys, credentials.box)
    return [_view(ProviderKind(name), each, known) for name, each in found.items()]


async def handle_set(call: Call[PushCredentialsRequest]) -> PushCredentialsSet:
    await check_app(call)
    desk, kind, before = _desk(call), _kind(call), list[Credentials]()

    def make(earlier: Credentials | None) -> Credentials:
        before.extend([earlier] if earlier is not None else [])
        return _make(kind, call.body, desk)(earlier)

    change = partial(desk.credentials.set, by=call.grant.name, now=call.ports.clock.now())
    made = await asyncio.to_thread(change, call.app, kind, make)
    is_new = isinstance(made, WebhookCredentials) and not any(
        isinstance(each, WebhookCredentials) and each.secret == made.secret for each in before
    )
    secret = made.secret if isinstance(made, WebhookCredentials) and is_new else ""
    return PushCredentialsSet(provider=kind, shown=shown_of(made), secret=secret)


async def handle_remove(call: Call[None]) -> PushCredentialsRemoved:
    await check_app(call)
    kind = _kind(call)
    await asyncio.to_thread(_desk(call).credentials.remove, call.app, kind)
    return PushCredentialsRemoved(provider=kind, removed=True)


async def handle_probe(call: Call[None]) -> PushCredentialsTested:
    await check_app(call)
    desk, kind = _desk(call), _kind(call)
    credentials = await asyncio.to_thread(desk.credentials.open, call.app, kind)
    found = await probe(credentials, call.app, desk.options, call.ports.clock.now())
    return PushCredentialsTested(provider=kind, good=found.good, code=found.code, words=found.words)


async def handle_test(call: Call[PushTestRequest]) -> PushTested:
    await check_app(call)
    target = parse_target(_kind(call), call.body.token, _desk(call).options.webpush_hosts)
    return await _tested(call, target)


async def handle_test_device(call: Call[PushDeviceTestRequest]) -> list[PushTested]:
    """By provider. Raises NotFound `unregistered_device`."""
    await check_app(call)
    device = parse_device_id(call.body.device)
    targets = await asyncio.to_thread(_desk(call).targets_of, call.app, device)
    if not targets:
        raise NotFound(
            "unregistered_device", "the device is not registered for messages; it takes some ten seconds to be counted"
        )
    return [await _tested(call, each) for each in targets]


async def _tested(call: Call[PushTestRequest] | Call[PushDeviceTestRequest], target: PushTarget) -> PushTested:
    desk, body, kind = _desk(call), call.body, target.provider
    shown = {} if body.silent else {"title": body.title, "body": body.body}
    name = f"test-{secrets.token_hex(8)}"
    payload = PushPayload(message_id=name, data=body.data, silent=body.silent, ttl_seconds=TEST_SECONDS, **shown)
    check_payload(kind, payload)
    credentials = await asyncio.to_thread(desk.credentials.open, call.app, kind)
    found = await attempt(credentials, call.app, target, payload, desk.options, call.ports.clock.now())
    return PushTested(
        provider=kind,
        verdict=found.verdict,
        code=found.code,
        retry_after_seconds=found.retry_after_seconds,
        provider_id=found.provider_id,
    )


async def forget_push(call: Call[Any], app: AppId) -> None:
    """Of an app that was deleted, and of one that was made: nobody sends by what an earlier app of its name left."""
    if call.ports.push is not None and call.rehearsal is None:
        await asyncio.to_thread(call.ports.push.credentials.forget, app)


def _make(kind: ProviderKind, body: PushCredentialsRequest, desk: PushDesk) -> Make:
    match kind:
        case ProviderKind.FCM:
            return lambda _: parse_fcm_file(body.service_account, (*TOKEN_HOSTS, *desk.options.token_hosts))
        case ProviderKind.APNS:
            asked = {"key_id": body.key_id, "team": body.team, "topic": body.topic}
            return lambda _: parse_apns_key(body.key, sandbox=body.sandbox, **asked)
        case ProviderKind.WEBPUSH:
            return lambda earlier: make_webpush(
                body.subject, earlier if isinstance(earlier, WebPushCredentials) and not body.new_key else None
            )
        case ProviderKind.WEBHOOK:
            return lambda earlier: make_push_webhook(
                body.url,
                allow_http=desk.options.allow_http,
                per_second=body.per_second,
                earlier=earlier if isinstance(earlier, WebhookCredentials) else None,
            )


def _kind(call: Call[Any]) -> ProviderKind:
    """Raises NotFound `unknown_provider`."""
    given = call.part("provider")
    try:
        return ProviderKind(given)
    except ValueError as error:
        raise NotFound("unknown_provider", f"unknown provider {given[:32]!r}: {PROVIDERS}") from error


def _desk(call: Call[Any]) -> PushDesk:
    """Raises Unavailable `push_unavailable` at a node that follows."""
    if call.ports.push is None:
        raise Unavailable("push_unavailable", "messages are sent by the origin, not by this node: ask there")
    return call.ports.push


def _known_keys(box: SecretBox) -> set[str]:
    try:
        return set(box.key_ids())
    except Unavailable:
        return set()


def _view(kind: ProviderKind, stored: StoredPushCredentials, known: set[str]) -> PushCredentialsView:
    key = sealed_with(stored.sealed)
    return PushCredentialsView(
        provider=kind, shown=stored.shown, set=stored.set, by=stored.by, sealed_with=key, openable=key in known
    )


OPERATIONS = (
    Operation(
        name="list_push_credentials",
        method="GET",
        path="/v1/apps/{app}/push/credentials",
        summary="List an app's credentials at push providers, without what is secret",
        permission=Permission.READ_APP,
        handle=handle_list,
        answer=list[PushCredentialsView],
        refusals=(503,),
    ),
    Operation(
        name="set_push_credentials",
        method="PUT",
        path="/v1/apps/{app}/push/credentials/{provider}",
        summary="Set an app's credentials at a push provider, sealed; they are never shown again",
        permission=Permission.MANAGE_PUSH,
        handle=handle_set,
        answer=PushCredentialsSet,
        body=PushCredentialsRequest,
        refusals=(409, 503),
    ),
    Operation(
        name="remove_push_credentials",
        method="DELETE",
        path="/v1/apps/{app}/push/credentials/{provider}",
        summary="Remove an app's credentials at a push provider",
        permission=Permission.MANAGE_PUSH,
        handle=handle_remove,
        answer=PushCredentialsRemoved,
        refusals=(409, 503),
    ),
    Operation(
        name="test_push_credentials",
        method="POST",
        path="/v1/apps/{app}/push/credentials/{provider}/test",
        summary="Ask a push provider whether it takes the credentials; nobody gets a message",
        permission=Permission.MANAGE_PUSH,
        handle=handle_probe,
        answer=PushCredentialsTested,
        refusals=(503,),
    ),
    Operation(
        name="test_push",
        method="POST",
        path="/v1/apps/{app}/push/credentials/{provider}/send",
        summary="Send one message to one token now, and show what came of it",
        permission=Permission.MANAGE_PUSH,
        handle=handle_test,
        answer=PushTested,
        body=PushTestRequest,
        refusals=(413, 503),
    ),
    Operation(
        name="test_push_device",
        method="POST",
        path="/v1/apps/{app}/push/test",
        summary="Send one message to a registered device now, and show what came of it at each provider",
        permission=Permission.MANAGE_PUSH,
        handle=handle_test_device,
        answer=list[PushTested],
        body=PushDeviceTestRequest,
        refusals=(413, 503),
    ),
)
