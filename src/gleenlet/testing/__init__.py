"""Test it: a clock that jumps, every schedule, nothing left over."""

from gleenlet.testing._explore import explore
from gleenlet.testing._leaks import no_leaks
from gleenlet.testing._steps import (
    BlockingCall,
    Sequencer,
    assert_no_switches,
    assert_switches,
    forbid_blocking,
    wait_all_tasks_blocked,
)
from gleenlet.testing._tree import task_tree
from gleenlet.testing._virtual import Clock, Deadlock, virtual_time

__all__ = [
    "BlockingCall",
    "Clock",
    "Deadlock",
    "Sequencer",
    "assert_no_switches",
    "assert_switches",
    "explore",
    "forbid_blocking",
    "no_leaks",
    "task_tree",
    "virtual_time",
    "wait_all_tasks_blocked",
]
