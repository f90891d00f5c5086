"""``python -m chargeplan``."""

from chargeplan.cli.main import main

main()
