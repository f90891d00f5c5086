#!/usr/bin/env bash
# Settle what is open: jobs, write log, ledgers. Posts nothing. Fails while the outcome of a line is unknown.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

require_lasting_journal

code=0
untrusted chargeplan reconcile --env "$environment" || code=$?
tell exit_code "$code"
case $code in
  0 | 4) untrusted chargeplan status --env "$environment" ;;
esac
ending "$code"
