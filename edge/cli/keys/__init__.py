"""Verbs about keys: of encrypted bundles, of the nodes that sign releases, and of the root that lists them."""
