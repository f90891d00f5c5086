#!/usr/bin/env bash
# Plan: what would be posted, as a plan file, as Markdown and as outputs. Posts nothing.
#
# Ends with 0 wherever there is something to show, a refusal by a guard and errors included: the comment comes first, then
# verdict.sh ends the job with the code that is told here as `exit_code`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

file=$work/${CHARGEPLAN_PLAN_FILE_NAME:-chargeplan.plan} json=$work/plan.json markdown=$work/plan.md
# What an earlier try left must not pass for this one's.
rm -f "$file" "$json" "$markdown"

# Where it can't go on, the comment on the pull request still has to stop showing an older plan.
tell_path comment_file "$markdown"
leave() {
  local code=$?
  [ -e "$markdown" ] || document failed "$environment" "$code" >"$markdown"
}
trap leave EXIT

require_lasting_journal

words=(--env "$environment" --out "$file" --json-out "$json" --markdown "$markdown" --detailed-exitcode)
[ -z "${CHARGEPLAN_PERIOD:-}" ] || words+=(--period "$CHARGEPLAN_PERIOD")
[ -z "${CHARGEPLAN_AS_OF:-}" ] || words+=(--as-of "$CHARGEPLAN_AS_OF")
read -r -a more <<<"${CHARGEPLAN_PLAN_OPTIONS:-}"

code=0
untrusted chargeplan plan "${words[@]}" "${more[@]}" || code=$?
tell exit_code "$code"

if [ ! -s "$json" ] || [ ! -s "$markdown" ]; then
  rm -f "$file"
  document failed "$environment" "$code" >"$markdown"
  document outputs </dev/null | tell_all
else
  document outputs <"$json" | tell_all
fi
if [ -s "$json" ]; then announce "$(document line "$environment" <"$json")"; fi
summarize "$markdown"
if [ -s "$file" ]; then
  tell_path plan_file "$file"
  tell artifact "$(document artifact <"$json")"
fi
