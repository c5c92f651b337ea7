"""What each answer of the page tells the browser: nothing from elsewhere, nothing inline, nothing kept."""

from collections.abc import Mapping

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# same-origin, not no-referrer: with that one browsers send `Origin: null` with the page's own forms
GUARDS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PRIVATE: Mapping[str, str] = {**GUARDS, "Cache-Control": "no-store"}
LASTING: Mapping[str, str] = {**GUARDS, "Cache-Control": "public, max-age=31536000, immutable"}  # named by their bytes
