"""All signed documents beside heads, by which copies, exports, verification and new keys treat them alike."""

from typing import Any

from edge.control.access.shared_document import DocumentKind
from edge.control.login.credential_document import CREDENTIALS_KIND
from edge.control.push.signed_documents import SIGNED_DOCUMENTS as OTHER_DOCUMENTS

SIGNED_DOCUMENTS: tuple[DocumentKind[Any], ...] = (*OTHER_DOCUMENTS, CREDENTIALS_KIND)
