#!/usr/bin/env bash
# Install what requirements.txt names: beside the action, or beside this script. It is the one line to change.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# A job that runs no chargeplan says so.
[ "${CHARGEPLAN_INSTALL:-true}" = true ] || exit 0

CHARGEPLAN_HERE=$scripts
[ -f "$CHARGEPLAN_HERE/requirements.txt" ] || CHARGEPLAN_HERE=$(dirname "$scripts")
# A requirement can say where a wheel beside it is: `chargeplan @ file://${CHARGEPLAN_HERE}/chargeplan-….whl`.
export CHARGEPLAN_HERE
requirements=$CHARGEPLAN_HERE/requirements.txt
grep -q '^[^#[:space:]]' "$requirements" || {
  complain "$requirements says nowhere where chargeplan comes from: write the line that installs it, as its comment shows."
  exit 1
}
"$python" -I -m pip install --disable-pip-version-check --quiet -r "$requirements"
chargeplan --version
