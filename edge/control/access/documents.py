"""The signed documents about access, by which copies, exports, verification and new keys treat them all alike."""

from typing import Any

from edge.control.access.people_document import PEOPLE_KIND
from edge.control.access.shared_document import DocumentKind
from edge.control.access.token_document import TOKENS_KIND

ACCESS_DOCUMENTS: tuple[DocumentKind[Any], ...] = (TOKENS_KIND, PEOPLE_KIND)
