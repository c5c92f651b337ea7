"""How the bytes of a bundle travel: what to send, from which file, without copying it."""
