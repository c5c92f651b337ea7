"""Which devices were given what of a feature, and used it, as they reported."""

from edge.control.access.roles import Permission
from edge.control.calls import Call, load_app
from edge.control.operations import Operation
from edge.control.routes.features.features import FEATURE
from edge.control.routes.figures.asking import DAY_SECONDS, SINCE, since_seconds
from edge.domain.states import feature_of
from edge.telemetry.questions.feature_use import FeatureUse, FeatureUseQuestion

_WEEK_SECONDS = 7 * DAY_SECONDS


async def handle_figures(call: Call[None]) -> FeatureUse:
    """Raises NotFound `unknown_feature`."""
    feature = feature_of(await load_app(call), call.part("name"))
    now_ms = int(call.ports.telemetry.counted_until(call.ports.clock.now()) * 1000)
    since_ms = now_ms - since_seconds(call.request, _WEEK_SECONDS) * 1000
    asked = FeatureUseQuestion(app=call.app, feature=feature.name, since_ms=since_ms, until_ms=now_ms)
    return await call.ports.telemetry.ask("feature_use", asked, FeatureUse)


OPERATIONS = (
    Operation(
        name="show_feature_figures",
        method="GET",
        path=f"{FEATURE}/figures",
        summary="Show how many devices were given which value of a feature, and used it, in the last 7 days",
        permission=Permission.READ_APP,
        handle=handle_figures,
        answer=FeatureUse,
        query=(SINCE,),
    ),
)
