"""Device behaviour as load on a running node. How to run it is in `README.md`; nothing under `edge` imports this."""
