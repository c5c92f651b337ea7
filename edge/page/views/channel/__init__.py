"""A channel's page: how its newest release does, and in trouble what happened, who is hit, what now."""
