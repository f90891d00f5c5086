"""The command line with locks that expire after a second. Only tests know it."""

from __future__ import annotations

import sys

from chargeplan.cli.main import main
from chargeplan.journal import locks

locks.EXPIRY_SECONDS = 1.0

if __name__ == "__main__":
    main(sys.argv[1:])
