"""The deadlocks that users of GStreamer report: bare programs hang, the same with gleenlet.gst end."""

from __future__ import annotations

import signal

import pytest

from child import TESTS, run_script

DEADLOCKS = TESTS / "gst" / "deadlocks"
BARE = sorted(DEADLOCKS.glob("*_bare.py"))

PRINTED = {
    "query": "drained: True\n",
    "seek": "0\n10\n",
    "state": "True\n",
    "ui": "stopped\n",
}


@pytest.mark.parametrize("program", BARE, ids=lambda path: path.stem)
def test_the_bare_program_hangs(program: object) -> None:
    outcome = run_script(TESTS / "helpers" / "stuck.py", str(program))
    assert outcome.signal is signal.SIGKILL, outcome  # not timed_out: the watcher has seen it
    assert outcome.stdout.startswith("hangs in ")
    assert outcome.stderr == ""


@pytest.mark.parametrize("name", PRINTED)
def test_the_same_program_with_gleenlet_ends(name: str) -> None:
    outcome = run_script(DEADLOCKS / f"{name}.py")
    assert (outcome.stdout, outcome.stderr, outcome.status) == (PRINTED[name], "", 0)


def test_what_would_hang_in_a_streaming_thread_is_an_error_that_names_it_and_what_to_write() -> None:
    outcome = run_script(DEADLOCKS / "stop.py")
    error, stopped = outcome.stdout.splitlines()
    assert error.startswith("state() was called in GStreamer's streaming thread 'cut:src', which it would wait for")
    assert error.endswith("p.hub.call_soon_threadsafe(spawn, function)")
    assert (stopped, outcome.stderr, outcome.status) == ("stopped", "", 0)


def test_each_deadlock_has_a_bare_program_and_one_with_gleenlet() -> None:
    bare = {path.stem.removesuffix("_bare") for path in BARE}
    assert bare == PRINTED.keys() | {"stop"}


def test_a_program_that_does_not_hang_is_not_called_so() -> None:
    outcome = run_script(TESTS / "helpers" / "stuck.py", str(DEADLOCKS / "state.py"))
    assert (outcome.stdout, outcome.status) == ("True\n", 0)
