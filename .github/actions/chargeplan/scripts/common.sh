# shellcheck shell=bash
# What every step shares: where things are, what is told to the pipeline, and how a failure is said. Sourced, never run.
#
# Variables that a step reads (README.md lists them all):
#   CHARGEPLAN_ENV       the environment of chargeplan.yaml
#   CHARGEPLAN_WORK      where the step's files go; default: a folder of the runner's that is emptied with the job
#   CHARGEPLAN_DOTENV    GitLab: the file of the job's dotenv report; GitHub has GITHUB_OUTPUT

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${CHARGEPLAN_PYTHON:-python3}
environment=${CHARGEPLAN_ENV:-production}
work=${CHARGEPLAN_WORK:-${RUNNER_TEMP:-$PWD}/chargeplan-run}
# What residents owe is nobody else's business on a shared machine.
umask 077
mkdir -p "$work"
# The configuration is here, and not in a folder above, whose plans would be others.
export CHARGEPLAN_CONFIG=${CHARGEPLAN_CONFIG:-chargeplan.yaml}

# Isolated (-I), Python runs no module that lies in the working directory: it may be a stranger's pull request.
document() { "$python" -I "$scripts/document.py" "$@"; }

on_github() { [ "${GITHUB_ACTIONS:-}" = true ]; }

# `tell NAME VALUE`: an output of the step, later jobs read it. Values are single words that document.py made or checked.
tell() {
  if [ -n "${GITHUB_OUTPUT:-}" ]; then
    printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"
  elif [ -n "${CHARGEPLAN_DOTENV:-}" ]; then
    printf 'CHARGEPLAN_%s=%s\n' "${1^^}" "$2" >>"$CHARGEPLAN_DOTENV"
  fi
}

# `tell_path NAME FILE`: for the next steps of this job alone; another job may have its folder elsewhere.
tell_path() { [ -z "${GITHUB_OUTPUT:-}" ] || tell "$1" "$2"; }

# `tell_all` reads NAME=VALUE lines.
tell_all() {
  local name value
  while IFS='=' read -r name value; do tell "$name" "$value"; done
}

# `annotate LEVEL MESSAGE`: our own words, above the fold of the run's page.
annotate() {
  if on_github; then
    local text=${2//'%'/%25}
    text=${text//$'\r'/%0D}
    text=${text//$'\n'/%0A}
    printf '::%s title=chargeplan::%s\n' "$1" "$text"
  else
    printf 'chargeplan: %s\n' "$2" >&2
  fi
}

complain() { annotate error "$1"; }

announce() { annotate notice "$1"; }

# `summarize FILE`: Markdown for the run's page. GitHub takes 1 MiB for a step and refuses the whole of what is longer.
summarize() {
  [ -n "${GITHUB_STEP_SUMMARY:-}" ] || return 0
  local there
  there=$( (cat "$GITHUB_STEP_SUMMARY" 2>/dev/null || true) | wc -c)
  if [ "$((there + $(wc -c <"$1")))" -lt 1000000 ]; then
    cat "$1" >>"$GITHUB_STEP_SUMMARY"
  else
    complain "The summary is too long for this page; the plan file and the log have all of it."
  fi
}

# `untrusted COMMAND…`: run it, and keep the runner from obeying a line of its output that looks like a workflow command:
# it shows text from plans and from the property system. A signal to this script goes on to the command as it came, which
# finishes the request under way and records it.
untrusted() {
  local token code=0
  if on_github; then
    token=$("$python" -I -c 'import secrets; print(secrets.token_hex(16))')
    printf '::stop-commands::%s\n' "$token"
  fi
  # As a job of its own (-m) the command has the signals' default meaning, and gets each one once: from here.
  set -m
  "$@" &
  local child=$!
  set +m
  trap 'kill -INT "$child" 2>/dev/null || true' INT
  trap 'kill -TERM "$child" 2>/dev/null || true' TERM
  # `wait` ends early at a signal, while the command is still at work.
  while :; do
    wait "$child" && code=0 || code=$?
    kill -0 "$child" 2>/dev/null || break
  done
  trap - INT TERM
  if on_github; then printf '::%s::\n' "$token"; fi
  return "$code"
}

# shellcheck disable=SC2329 # `untrusted` invokes it
journal_where() { exec chargeplan journal where --env "$environment" --json >"$work/where.json"; }

# A journal that goes with the runner is a journal that is lost: the next run would not know what was sent.
require_lasting_journal() {
  local problem
  [ "${GITHUB_ACTIONS:-}${GITLAB_CI:-}" ] || return 0
  untrusted journal_where || {
    complain "It can't be told where the journal is: see the log. Nothing was sent."
    exit 1
  }
  problem=$(document journal "${GITHUB_WORKSPACE:-${CI_PROJECT_DIR:-$PWD}}" "${CHARGEPLAN_PERSISTENT_JOURNAL:-}" <"$work/where.json")
  [ -z "$problem" ] || {
    complain "$problem"
    exit 1
  }
}

# `ending CODE [WHY]`: what an exit code of chargeplan means here and what to do next; ends the step with it. WHY is the error's
# code, where there is one: `approvals_needed` is no guard that somebody could allow.
ending() {
  case $1-${2:-} in
    6-fail_above) complain "Exit code 6: the change bills more otherwise in one month than \`fail-above\` allows; the comment says what and whom." && exit 6 ;;
    6-approvals_needed) complain "Exit code 6: approvals are missing, and nothing was posted. An approver who did not make this plan gets its file (the artifact of the job that planned), looks at it with \`chargeplan show chargeplan.plan\`, signs it in a checkout of this commit with \`chargeplan approve chargeplan.plan --key FILE\`, and gives the line of chargeplan.plan.approvals to the next run of apply as \`approvals\`." && exit 6 ;;
  esac
  case $1 in
    0 | 2) exit 0 ;;
    1) complain "Exit code 1: an error, and no charge was sent. The log above says what and where." ;;
    3) complain "Exit code 3: incomplete. The property system refused some lines; the rest is posted. Read the reasons above, correct the plan or the system, then run the billing workflow again: it posts only what is missing." ;;
    4) complain "Exit code 4: the outcome of some lines is unknown, or they were still pending at the deadline. They are not sent again. Run \`chargeplan reconcile\` until they are settled; what no evidence settles, a person does: \`chargeplan status\`, then \`chargeplan resolve\`." ;;
    5) complain "Exit code 5: the plan is stale, altered, or not the one that was reviewed; nothing was posted. Run the workflow again: it makes a new plan to review." ;;
    6) complain "Exit code 6: a guard refused, and nothing was posted. The plan says which, with the number and the limit. If it is meant, run the billing workflow by hand with \`allow\` and \`reason\`." ;;
    7) complain "Exit code 7: another run holds the lock; nothing was posted. \`chargeplan journal locks\` says who. Run this job again when that one has ended." ;;
    130) complain "Interrupted. The request under way was finished and recorded; run \`chargeplan reconcile\`, then the workflow again." ;;
    *) complain "chargeplan ended with $1. Run \`chargeplan reconcile\` and \`chargeplan status\` before anything else." ;;
  esac
  exit "$1"
}
