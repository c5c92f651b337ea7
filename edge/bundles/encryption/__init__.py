"""Encrypted bundles: keys, and encrypting on the publisher's side."""
