#!/bin/bash
# All tests and docstrings under coverage, in three processes: two side by side, as most machines have two processors, and
# then the tests of gleenlet.testing, which count what a process has left over and so want one of their own.
# The command before is what `make` gives: the virtual display and the session bus.
set -uo pipefail
cd "$(dirname "$0")/.."

OUT=build/tests
mkdir -p "$OUT"

DESKTOP=("$@")

group() { # $1: name; then what to run
    local name=$1
    shift
    "${desktop[@]}" .venv/bin/coverage run -m pytest --doctest-modules "$@" >"$OUT/$name.log" 2>&1
    local status=$?
    echo "== $name"
    cat "$OUT/$name.log"
    return $status
}

failed=0
desktop=("${DESKTOP[@]}")
# The docstrings of debug and testing look at all objects of their process: in the last group, which has few.
group core tests/core tests/sync tests/glib tests/asyncio tests/promises \
    src/gleenlet --ignore src/gleenlet/debug --ignore src/gleenlet/testing &
first=$!
desktop=()
for word in "${DESKTOP[@]}"; do # xvfb-run -a looks for a free display: not where the other one looks at the same moment
    [ "$word" = -a ] && desktop+=(-n 199)
    desktop+=("$word")
done
# test_toolkits.py runs test_dialogs.py, once with each toolkit.
group neighbours tests/gevent tests/gtk tests/dbus tests/gst tests/debug tests/soak tests/helpers tests/typing \
    --ignore tests/gtk/test_dialogs.py &
second=$!
wait $first || failed=1
wait $second || failed=1
group testing tests/testing src/gleenlet/debug src/gleenlet/testing || failed=1
exit $failed
