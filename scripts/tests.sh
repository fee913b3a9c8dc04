#!/bin/bash
# All tests and docstrings under coverage, in three processes: what tests leave in a process, sources and threads of
# libraries, grows with their number, and the tests of gleenlet.testing count what is left over.
# The command before is what `make` gives: the virtual display and the session bus.
set -uo pipefail
cd "$(dirname "$0")/.."

DESKTOP=("$@")
failed=0

group() {
    "${DESKTOP[@]}" .venv/bin/coverage run -m pytest --doctest-modules "$@" || failed=1
}

group tests/core tests/sync tests/glib tests/asyncio tests/promises src/gleenlet
group tests/gevent tests/gtk tests/dbus tests/gst tests/debug tests/soak tests/helpers tests/typing
group tests/testing
exit $failed
