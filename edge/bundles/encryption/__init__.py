"""Encrypted bundles: keys, sealing on the publisher's side, and opening as a device does."""
