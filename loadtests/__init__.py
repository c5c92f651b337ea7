"""Device behaviours as load on a running node. `README.md` says how to run them; nothing under `edge` imports this."""
