"""Test it: a clock that jumps, every schedule, nothing left over."""

from gleenlet.testing._tree import task_tree
from gleenlet.testing._virtual import Clock, Deadlock, virtual_time

__all__ = ["Clock", "Deadlock", "task_tree", "virtual_time"]
