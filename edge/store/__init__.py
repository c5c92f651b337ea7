"""The one truth: an object store with compare-and-swap, and the signed releases in it."""
