"""OpenID Connect: what a provider says of itself, its keys, and whom it says somebody is."""
