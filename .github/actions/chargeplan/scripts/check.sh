#!/usr/bin/env bash
# What needs no secret: every mistake of every file, and the plans' own tests. All that a pull request from a fork gets.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

code=0
untrusted chargeplan validate || code=$?
untrusted chargeplan test || code=$((code ? code : $?))
ending "$code"
