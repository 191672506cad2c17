#!/usr/bin/env bash
# Installs what is missing, builds, runs every test and ends with a summary: 'N passed, N failed, N skipped'.
#
#   cluster/test.sh                 all tests
#   cluster/test.sh --filter NAME   some of them, e.g. --filter FixtureTests
#
# Golden values are read from ../shared/fixtures (or MVQ_FIXTURES), real images from ../shared/data (or MVQ_DATA); without them the tests
# that need them are skipped, and counted as skipped.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
case ${1:-} in -h | --help) sed -n '2,8p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;; esac

require_toolchain
# The last two read checkpoints as users do.
require_packages "${libraries[@]}" hdf5-tools python3-h5py
build --build-tests

say "testing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
# The kernel family that every machine can run, here and (inherited) in the commands that tests start: one arithmetic wherever the tests run.
(cd "$project" && OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-Haswell} OPENBLAS_NUM_THREADS=1 MVQ_PYTHON=${MVQ_PYTHON:-/usr/bin/python3} \
    swift test -c release --skip-build "$@" 2>&1) | tee "$log" | grep --line-buffered -vE '^(◇|✔ (Test case|Suite)|\[[0-9]+/[0-9]+\])|started\.$' || code=${PIPESTATUS[0]}

passed=$(grep -cE '^✔ Test .* passed after ' "$log" || true)
failed=$(grep -cE '^✘ Test .* failed after ' "$log" || true)
skipped=$(grep -cE '^➜ Test .* skipped' "$log" || true)
passed=$((passed - $(grep -cE '^✔ Test (run|case) .* passed after ' "$log" || true)))
failed=$((failed - $(grep -cE '^✘ Test (run|case) .* failed after ' "$log" || true)))
if [ "$code" = 0 ] && [ "$passed" = 0 ]; then code=1; fi
if [ "$code" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
if [ "$failed" -gt 0 ]; then
    printf '\nfailed:\n'
    grep -E '^✘ Test .* failed after ' "$log" | grep -vE '^✘ Test (run|case)' | sed 's/^✘ /  /' || true
fi
if [ "$skipped" -gt 0 ]; then
    printf '\nskipped:\n'
    grep -E '^➜ (Test|Suite) .* skipped' "$log" | sed 's/^➜ /  /' | sort | uniq
fi
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
exit "$code"
