#!/usr/bin/env bash
# End the job as the plan ended, after its comment was written. With `allow` a guard's refusal is for apply to decide.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

code=${CHARGEPLAN_EXIT_CODE:-1}
if [ "$code" = 6 ] && [ -n "${CHARGEPLAN_ALLOW:-}" ]; then
  untrusted echo "A guard refused; apply will allow: $CHARGEPLAN_ALLOW"
  exit 0
fi
ending "$code" "${CHARGEPLAN_WHY:-}"
