"""`python -m pagecast.cli`: how the local stack starts its children."""

from pagecast.cli.main import main

main()
