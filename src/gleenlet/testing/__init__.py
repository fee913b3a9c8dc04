"""Test it: a clock that jumps, every schedule, nothing left over."""

from gleenlet._core import publish as _publish
from gleenlet.testing._blocking import BlockingCall, forbid_blocking
from gleenlet.testing._explore import explore
from gleenlet.testing._faults import (
    answer_dialogs,
    choice,
    may_be_clicked_twice,
    may_be_destroyed,
    may_happen,
    may_lose_peer,
)
from gleenlet.testing._input import click, screenshot, type_text
from gleenlet.testing._leaks import no_leaks
from gleenlet.testing._limited import TestTimeout, run_limited
from gleenlet.testing._servers import session_bus, virtual_display
from gleenlet.testing._steps import (
    Sequencer,
    assert_no_switches,
    assert_switches,
    wait_all_tasks_blocked,
)
from gleenlet.testing._virtual import Clock, Deadlock, virtual_time

__all__ = [
    "BlockingCall",
    "Clock",
    "Deadlock",
    "Sequencer",
    "TestTimeout",
    "answer_dialogs",
    "assert_no_switches",
    "assert_switches",
    "choice",
    "click",
    "explore",
    "forbid_blocking",
    "may_be_clicked_twice",
    "may_be_destroyed",
    "may_happen",
    "may_lose_peer",
    "no_leaks",
    "run_limited",
    "screenshot",
    "session_bus",
    "type_text",
    "virtual_display",
    "virtual_time",
    "wait_all_tasks_blocked",
]

_publish(globals())
