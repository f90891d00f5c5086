#!/usr/bin/env bash
# Plan: what would be posted, as a plan file, as Markdown and as outputs. Posts nothing.
#
# Where CHARGEPLAN_TRUST names a reviewed configuration, the Markdown begins with what the files here change against the plans beside
# that one: for CHARGEPLAN_MONTHS months; where more than CHARGEPLAN_FAIL_ABOVE is billed otherwise in one, the job fails.
#
# Ends with 0 wherever there is something to show, a refusal by a guard and errors included: the comment comes first, then
# verdict.sh ends the job with the code that is told here as `exit_code`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

file=$work/${CHARGEPLAN_PLAN_FILE_NAME:-chargeplan.plan} json=$work/plan.json markdown=$work/plan.md changes=$work/diff.md
# What an earlier try left must not pass for this one's.
rm -f "$file" "$json" "$markdown" "$changes"

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

# `diff_with BASE`: put what changes before the plan; says nothing new where nothing does.
diff_with() {
  local against=("$1" --env "$environment" --months "${CHARGEPLAN_MONTHS:-3}" --markdown "$changes" --detailed-exitcode) differs=0
  [ -z "${CHARGEPLAN_AS_OF:-}" ] || against+=(--as-of "$CHARGEPLAN_AS_OF")
  [ -z "${CHARGEPLAN_FAIL_ABOVE:-}" ] || against+=(--fail-above "$CHARGEPLAN_FAIL_ABOVE")
  untrusted chargeplan diff "${against[@]}" || differs=$?
  document comment "$changes" "$markdown" >"$work/comment.md"
  mv "$work/comment.md" "$markdown"
  case $code-$differs in
    [02]-0) tell quiet true ;;
    [02]-2 | [!02]-*) ;;
    *)
      tell exit_code "$differs"
      tell why "$([ "$differs" != 6 ] || echo fail_above)"
      ;;
  esac
}

if [ -n "${CHARGEPLAN_TRUST:-}" ] && [ -s "$json" ]; then diff_with "$(dirname "$CHARGEPLAN_TRUST")"; fi
if [ -s "$json" ]; then announce "$(document line "$environment" <"$json")"; fi
summarize "$markdown"
if [ -s "$file" ]; then
  tell_path plan_file "$file"
  tell artifact "$(document artifact <"$json")"
fi
