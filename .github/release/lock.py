"""The requirements.txt of a release: a wheel and all that it needs, each with its hash, for `pip install --require-hashes`.

    lock.py WHEEL > requirements.txt     for the Python and the machine that runs this

In a pipeline the wheel lies beside the file; `${CHARGEPLAN_HERE}` is that folder, as install.sh sets it. Standard library and pip.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

_EXTRAS = "chargeplan[postgres,approvals]"


def main() -> None:
    """Ask pip what it would install, and write that down."""
    wheel = Path(sys.argv[1]).resolve()
    words = [
        "install",
        "--dry-run",
        "--ignore-installed",
        "--quiet",
        "--only-binary",
        ":all:",
        "--report",
        "-",
    ]
    asked = f"{_EXTRAS} @ {wheel.as_uri()}"
    done = subprocess.run(  # noqa: S603 - the words above, and a path
        [sys.executable, "-I", "-m", "pip", *words, asked], check=True, stdout=subprocess.PIPE, text=True
    )
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    print(
        f"# Python {sys.version_info.major}.{sys.version_info.minor} on {sys.platform}; written by .github/release/lock.py"
    )
    print(f"{_EXTRAS} @ file://${{CHARGEPLAN_HERE}}/{wheel.name} --hash=sha256:{sha256}")
    found = {each["metadata"]["name"].lower(): each for each in json.loads(done.stdout)["install"]}
    for name in sorted(found.keys() - {"chargeplan"}):
        each = found[name]
        digest = each["download_info"]["archive_info"]["hashes"]["sha256"]
        print(f"{name}=={each['metadata']['version']} --hash=sha256:{digest}")


if __name__ == "__main__":
    main()
