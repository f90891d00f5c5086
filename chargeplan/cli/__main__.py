"""`python -m chargeplan.cli`: the command line without the installed script."""

from __future__ import annotations

from chargeplan.cli.main import main

if __name__ == "__main__":
    main()
