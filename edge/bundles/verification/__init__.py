"""What a publisher sent, verified before a release may name it."""
