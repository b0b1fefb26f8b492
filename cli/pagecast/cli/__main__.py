"""`python -m pagecast.cli`, by which the local stack starts its children."""

from pagecast.cli.main import main

main()
