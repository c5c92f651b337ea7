"""What a form of the page has to be before anything in it is looked at."""

import hmac
from typing import Any

from aiohttp import web

from edge.domain.errors import Forbidden, Malformed
from edge.page.house import Visitor

QUERY_LIMIT = 2_048  # characters: an expression to try, or an id to look for
FORM_LIMIT_BYTES = 64 * 1024  # of a form without a file


async def read_form(request: web.Request) -> Any:
    """A form's fields. Raises Malformed `invalid_form`."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Malformed("invalid_form", "this is not a form of this page")
    length = request.content_length
    if length is None or length > FORM_LIMIT_BYTES:
        raise Malformed("invalid_form", f"a form has at most {FORM_LIMIT_BYTES} bytes, and states how many")
    try:
        return await request.post()
    except (LookupError, ValueError) as error:  # an encoding that there is not, or bytes that are not in it
        raise Malformed("invalid_form", "this form is not in UTF-8") from error


def check_form_token(visitor: Visitor, form: Any) -> None:
    """Raises Forbidden `stale_form`."""
    if not hmac.compare_digest(str(form.get("form_token", "")).encode(), visitor.session.form_token.encode()):
        raise Forbidden("stale_form", "this form is of a session that has ended; open the page and try again")
