"""How devices are used: their daily counts, and what segments know of them, judged once a day. Pure."""
