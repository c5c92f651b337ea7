"""Whether the node would let a publish offer its bundle on a channel: asked before the packing, not after it."""

from edge.cli.terminal.client import ControlClient, RequestRefused, app_path
from edge.domain.changes.commands import Replacing
from edge.domain.changes.replacing import CurrentOffer, check_current, check_meant, check_no_rollout, check_terms
from edge.domain.model import Phase, TakenBack


def check_may_offer(client: ControlClient, channel: str) -> None:
    """Raises RequestRefused, with advice for a token that may only upload."""
    try:
        client.patch(f"{channel}?dry_run=true", {})
    except RequestRefused as refusal:
        if refusal.code != "forbidden" or client.get("/v1/token")["role"] != "uploader":
            raise
        raise RequestRefused(
            refusal.answered,
            refusal.code,
            "an uploader may upload but not offer a bundle: use --no-channel instead, or a publisher's token",
        ) from refusal


def check_offer(client: ControlClient, app: str, name: str, version: str, terms: Replacing, *, rolls_out: bool) -> None:
    """Raises what the node would raise at the end: about a rollout, an experiment or a higher version on the channel,
    or a version that was rolled back. `rolls_out`: the version is offered share by share."""
    channel = client.get(app_path(app, "channels", name))
    rollout, experiment = channel["rollout"], channel["experiment"]
    offered = CurrentOffer(
        app=app,
        channel=name,
        bundle=channel["bundle"],
        served=channel["served"],
        changed=channel["bundle_changed"],
        by=channel["bundle_changed_by"],
        rollout=rollout["bundle"] if rollout is not None and Phase(rollout["phase"]).is_active else None,
        experiment=experiment["name"] if experiment is not None else None,
        taken_back=tuple(TakenBack(**each) for each in channel["taken_back"]),
    )
    if not rolls_out:
        return check_terms(offered, version, terms)
    check_current(offered, version, terms)
    if version in (offered.bundle, offered.rollout):
        return None  # a job that runs again
    if not terms.force:
        check_no_rollout(offered, version, ", or end it with this change: --force")
    return check_meant(offered, version, terms)
