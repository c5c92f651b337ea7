"""What the suites publish: small apps, made from a number so that two of them share what did not change."""

import random

UNCHANGED_FILES = 12


def small_app(build: int) -> dict[str, bytes]:
    """A page and a script of this build, and files that all builds share: text, noise, nested folders."""
    noise = random.Random(7)
    return {
        "index.html": f"<!doctype html><title>build {build}</title>".encode(),
        "assets/app.js": f"// build {build}\n".encode() + b"export const answer = 42;\n" * 400,
        "assets/vendor.js": b"export function add(a, b) { return a + b; }\n" * 2000,
        "assets/photo.jpg": noise.randbytes(40_000),
        **{f"icons/{n}.svg": f"<svg><title>icon {n}</title></svg>".encode() * 20 for n in range(UNCHANGED_FILES)},
    }
