"""The bytes of bundles: making them on the publisher's side, verifying them on the node's."""
