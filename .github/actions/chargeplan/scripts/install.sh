#!/usr/bin/env bash
# Install the requirement in CHARGEPLAN_INSTALL: words for pip, as in `chargeplan[postgres,approvals]==0.1.0` or `-r requirements.txt`.
set -euo pipefail

read -r -a words <<<"$CHARGEPLAN_INSTALL"
"${CHARGEPLAN_PYTHON:-python3}" -I -m pip install --disable-pip-version-check --quiet "${words[@]}"
chargeplan --version
