"""The segments of an app: who is in, what they run and do; and what an expression would select."""
