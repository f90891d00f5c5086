#!/usr/bin/env bash
# Apply the plan file that was reviewed, and no other: its digest comes with the approval, not with the file.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

file=${CHARGEPLAN_PLAN_FILE:-$work/chargeplan.plan} json=$work/apply.json markdown=$work/apply.md
rm -f "$json" "$markdown"

if [ "${CHARGEPLAN_HAS_CHANGES:-}" = false ]; then
  echo "Nothing is to post."
  tell outcome nothing
  exit 0
fi
# People copy a blank along.
CHARGEPLAN_DIGEST=${CHARGEPLAN_DIGEST:-}
CHARGEPLAN_DIGEST=${CHARGEPLAN_DIGEST//[[:space:]]/}
[ -n "$CHARGEPLAN_DIGEST" ] || {
  complain "There is no digest. Apply posts the plan that was reviewed: give it the output \`digest\` of the job that planned. Nothing was posted."
  exit 1
}
[ -f "$file" ] || {
  complain "There is no plan file $file. It is the artifact of the job that planned, and is kept for some days only: run the workflow again. Nothing was posted."
  exit 1
}
require_lasting_journal

words=("$file" --env "$environment" --digest "$CHARGEPLAN_DIGEST" --auto-approve --json)
# Signed approvals come as text: the plan's artifact was made before they were.
if [ -n "${CHARGEPLAN_APPROVALS:-}" ]; then
  document approvals <<<"$CHARGEPLAN_APPROVALS" >"$work/approvals"
  words+=(--approvals "$work/approvals")
fi
[ -z "${CHARGEPLAN_DEADLINE:-}" ] || words+=(--deadline "$CHARGEPLAN_DEADLINE")
[ -z "${CHARGEPLAN_LOCK_TIMEOUT:-}" ] || words+=(--lock-timeout "$CHARGEPLAN_LOCK_TIMEOUT")
# Several guards are told apart by spaces: allow="max_total=650000.00 max_charges=6000".
read -r -a allowed <<<"${CHARGEPLAN_ALLOW:-}"
for each in "${allowed[@]}"; do words+=(--allow "$each"); done
[ -z "${CHARGEPLAN_REASON:-}" ] || words+=(--reason "$CHARGEPLAN_REASON")

# Run in the background by `untrusted`: without `exec` a signal would reach the shell in between and not the program.
# shellcheck disable=SC2329 # `untrusted` invokes it
apply() { exec chargeplan apply "${words[@]}" >"$json"; }

code=0
untrusted apply || code=$?
tell exit_code "$code"
document applied "$environment" "$code" "$markdown" <"$json" | tell_all
summarize "$markdown"
cat "$markdown"
ending "$code" "$(document error_code <"$json")"
