"""asyncio beside GLib and tasks: coroutines in tasks, tasks in coroutines. This is its door."""

from gleenlet._core import publish as _publish
from gleenlet.asyncio._install import install, uninstall
from gleenlet.asyncio._loop import EventLoop
from gleenlet.asyncio._loop import loops_and_tasks as loops_and_tasks  # these four for the kits, no public names
from gleenlet.asyncio._loop import waits_outside as waits_outside
from gleenlet.asyncio._private import awaited as awaited
from gleenlet.asyncio._private import in_order_of as in_order_of
from gleenlet.asyncio._run import as_future, await_, run, stop, to_task

__all__ = ["EventLoop", "as_future", "await_", "install", "run", "stop", "to_task", "uninstall"]

_publish(globals())
