"""A channel's guard: what people tell it, and what it does by itself. Pure."""
