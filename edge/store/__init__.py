"""The release store: signed heads, revisions and blobs in an object store with compare-and-swap."""
