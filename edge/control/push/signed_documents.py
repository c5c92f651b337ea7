"""Every signed document of the store besides keys and heads: copies, exports, verification and new keys treat them all
alike."""

from typing import Any

from edge.control.access.documents import ACCESS_DOCUMENTS
from edge.control.access.shared_document import DocumentKind
from edge.control.push.push_document import PUSH_KIND

SIGNED_DOCUMENTS: tuple[DocumentKind[Any], ...] = (*ACCESS_DOCUMENTS, PUSH_KIND)
