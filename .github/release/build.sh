#!/usr/bin/env bash
# Build what a release has into the folder that is named: wheel, sdist, requirements.txt with hashes, SHA256SUMS. Then install from
# them, as a pipeline does, into an empty environment.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mkdir -p "$1"
dist=$(cd "$1" && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/build"
"$work/build/bin/pip" install --disable-pip-version-check --quiet build
"$work/build/bin/python" -m build --outdir "$dist" "$root" >"$work/build.txt" 2>&1 || { cat "$work/build.txt" >&2; exit 1; }
wheel=$(echo "$dist"/chargeplan-*.whl)
"$work/build/bin/python" "$root/.github/release/lock.py" "$wheel" >"$dist/requirements.txt"
(cd "$dist" && sha256sum -- *.whl *.tar.gz requirements.txt >SHA256SUMS)

"$python" -m venv "$work/installed"
CHARGEPLAN_HERE=$dist "$work/installed/bin/pip" install --disable-pip-version-check --quiet --require-hashes -r "$dist/requirements.txt"
"$work/installed/bin/chargeplan" --version
