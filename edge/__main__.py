"""`python -m edge` is the `edge` command."""

from edge.cli.main import main

main()
