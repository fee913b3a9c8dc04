"""CPython's own tests of asyncio's locks, queues, groups and timeouts, as blocking code on gleenlet's.

usage: python scripts/blocking_suite.py [DIRECTORY]

DIRECTORY is CPython's Lib/test/test_asyncio, of 3.13 for shutdown() of queues; by default that of this Python. Each
module is read and rewritten in memory: `await` and `async` go, a call of a coroutine function is made when somebody
waits for it or as a task, and `asyncio` is the stand-in below. A test that cannot pass stands in DIFFERENT with the
reason; docs/reference/asyncio-differences.md has those that matter.
"""

from __future__ import annotations

import ast
import functools
import sys
import types
import unittest
import unittest.mock
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gleenlet
from gleenlet._sync.barrier import Barrier as _Barrier

MODULES = ("test_locks", "test_queues", "test_taskgroups", "test_timeouts")

PRIVATE = "looks into asyncio's own attributes"
DIFFERENT = {
    **dict.fromkeys(
        (
            *(f"test_locks.{kind}Tests.test_repr" for kind in ("Condition", "Event", "Semaphore")),
            *(f"test_locks.{kind}Tests.test_wait_cancel" for kind in ("Condition", "Event")),
            *(f"test_locks.{kind}Tests.test_acquire_cancel" for kind in ("Lock", "Semaphore")),
            "test_locks.LockTests.test_finished_waiter_cancelled",
            "test_locks.SemaphoreTests.test_acquire",
            *(f"test_queues.{kind}QueueJoinTests.test_format" for kind in ("", "Lifo", "Priority")),
            "test_queues.QueueGetTests.test_cancelled_getters_not_being_held_in_self_getters",
            "test_queues.QueuePutTests.test_cancelled_puts_not_being_held_in_self_putters",
        ),
        PRIVATE,
    ),
    "test_locks.LockTests.test_cancel_race": PRIVATE,
    "test_locks.LockTests.test_lock_doesnt_accept_loop_parameter": "a TypeError too, in other words",
    "test_locks.EventTests.test_clear_with_waiters": PRIVATE,
    "test_locks.ConditionTests.test_ambiguous_loops": "bound to a thread, not to a loop",
    "test_locks.SemaphoreTests.test_acquire_fifo_order_4": PRIVATE,
    "test_locks.BarrierTests.test_repr": "counts iterations, and reset() never waits: there is no such state",
    "test_locks.BarrierTests.test_reset_barrier_when_tasks_half_draining": PRIVATE,
    "test_queues.QueueBasicTests.test_generic_alias": "the stand-in here is not generic",
    "test_queues.QueueGetTests.test_get_with_putters": PRIVATE,
    "test_taskgroups.TestTaskGroup.test_taskgroup_16": "cancelling who waits for a task does not cancel that task",
    "test_taskgroups.TestTaskGroup.test_taskgroup_task_context": "a task runs in a copy of the context",
    "test_taskgroups.TestTaskGroup.test_taskgroup_task_name": "Task.name for get_name()",
    "test_taskgroups.TestTaskGroup.test_taskgroup_without_parent_task": "an error too, of __enter__",
    "test_timeouts.TimeoutTests.test_timeout_without_task": "an error too, of __enter__",
}


class Coroutine:
    """A call that is made when somebody waits for it, or as a task."""

    def __init__(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.run = functools.partial(func, *args, **kwargs)

    def close(self) -> None:
        pass


def coroutine(func: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Coroutine:
        return Coroutine(func, *args, **kwargs)

    return call


class Future:
    """As much of asyncio's as these tests use."""

    def __init__(self) -> None:
        self.event = gleenlet.Event()
        self.value: Any = None

    def set_result(self, value: Any) -> None:
        self.value = value
        self.event.set()

    def done(self) -> bool:
        return self.event.is_set()

    def run(self) -> Any:
        self.event.wait()
        return self.value


def wait_for_it(awaited: Any) -> Any:
    if isinstance(awaited, gleenlet.Task):
        return awaited.result()
    if awaited is None:  # setUp()
        return None
    if isinstance(awaited, Coroutine | Future):
        return awaited.run()
    raise TypeError(f"object {type(awaited).__name__} can't be used in 'await' expression")


def create_task(call: Any, *, name: str | None = None, context: Any = None) -> gleenlet.Task[Any]:
    if context is not None:
        return context.run(gleenlet.spawn, call.run, name=name)
    return gleenlet.spawn(call.run, name=name)


def waits(cls: type, *names: str) -> type:
    """A subclass whose methods of these names are coroutine functions."""
    methods = {name: coroutine(getattr(cls, name)) for name in names}
    return type(cls.__name__, (cls,), {"__enter__": lambda self: getattr(cls, names[0])(self), **methods})


class TaskGroup(gleenlet.TaskGroup):
    def create_task(self, call: Any, *, name: str | None = None, context: Any = None) -> Any:
        if context is not None:
            return context.run(self.spawn, call.run, name=name)
        return self.spawn(call.run, name=name)


class Loop:
    def create_future(self) -> Future:
        return Future()

    def __getattr__(self, name: str) -> Any:
        return getattr(gleenlet.get_hub(), name)

    create_task = staticmethod(create_task)

    def run_until_complete(self, call: Any) -> Any:
        return gleenlet.run(call.run)

    def close(self) -> None:
        pass


def settle(seconds: float = 0) -> None:
    """sleep(0) of asyncio is one iteration; nothing here is to depend on how many there are."""
    gleenlet.sleep(seconds)
    if not seconds:
        for _ in range(3):
            gleenlet.sleep(0)


def gather(*calls: Any, return_exceptions: bool = False) -> Any:
    tasks = [call if isinstance(call, gleenlet.Task) else create_task(call) for call in calls]
    results = []
    for task in tasks:
        try:
            results.append(task.result())
        except BaseException as error:
            if not return_exceptions:
                raise
            results.append(error)
    return results


def wait_for(call: Any, timeout: float) -> Any:
    with gleenlet.timeout(timeout):
        return wait_for_it(call)


asyncio = types.ModuleType("asyncio")
asyncio.__dict__.update(
    {name: getattr(gleenlet, name) for name in gleenlet.__all__},
    Lock=waits(gleenlet.Lock, "acquire"),
    Event=waits(gleenlet.Event, "wait"),
    Condition=None,
    Semaphore=waits(gleenlet.Semaphore, "acquire"),
    BoundedSemaphore=waits(gleenlet.BoundedSemaphore, "acquire"),
    Barrier=waits(_Barrier, "wait", "reset", "abort"),
    Queue=waits(gleenlet.Queue, "get", "put", "join"),
    LifoQueue=waits(gleenlet.LifoQueue, "get", "put", "join"),
    PriorityQueue=waits(gleenlet.PriorityQueue, "get", "put", "join"),
    TaskGroup=TaskGroup,
    CancelledError=gleenlet.Cancelled,
    TimeoutError=TimeoutError,
    InvalidStateError=RuntimeError,
    create_task=create_task,
    sleep=coroutine(settle),
    gather=coroutine(gather),
    wait=coroutine(gleenlet.wait),
    wait_for=coroutine(wait_for),
    get_running_loop=Loop,
    get_event_loop=Loop,
    new_event_loop=Loop,
    set_event_loop_policy=lambda policy: None,
)


class Condition(gleenlet.Condition):
    def __init__(self, lock: Any = None) -> None:
        super().__init__(lock)
        self.acquire = coroutine(gleenlet.Lock.acquire.__get__(self._lock))  # type: ignore[method-assign]

    def __enter__(self) -> None:
        gleenlet.Lock.acquire(self._lock)  # type: ignore[arg-type]

    def wait(self) -> Any:
        return Coroutine(super().wait)

    def wait_for(self, predicate: Any) -> Any:
        def waits() -> Any:
            while not (result := predicate()):
                gleenlet.Condition.wait(self)
            return result

        return Coroutine(waits)


asyncio.Condition = Condition  # type: ignore[attr-defined]


class Hangs(BaseException):
    """The test took too long."""


class Blocking(ast.NodeTransformer):
    """Coroutines into functions."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)
        decorators = node.decorator_list
        generator = any("asynccontextmanager" in ast.unparse(one) for one in decorators)
        test = node.name.startswith(("test", "asyncSetUp"))
        if test:
            decorators = [ast.Name("in_task", ast.Load())]
        elif generator:
            decorators = [ast.parse("contextlib.contextmanager", mode="eval").body]
        else:
            decorators = [ast.Name("coroutine", ast.Load())]
        name = {"asyncSetUp": "setUp"}.get(node.name, node.name)
        return ast.FunctionDef(
            name, node.args, node.body, decorators, node.returns, node.type_comment, lineno=node.lineno
        )

    def visit_Await(self, node: ast.Await) -> ast.AST:
        self.generic_visit(node)
        return ast.Call(ast.Name("wait_for_it", ast.Load()), [node.value], [])

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        self.generic_visit(node)
        return ast.With(node.items, node.body, node.type_comment)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        renamed = {"IsolatedAsyncioTestCase": "TestCase", "asyncSetUp": "setUp", "_unfinished_tasks": "_unfinished"}
        node.attr = renamed.get(node.attr, node.attr)
        return node


def in_task(test: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> Any:
        if gleenlet.current_task() is not None:
            return Coroutine(test, *args, **kwargs)
        watchdog = []

        def limited() -> Any:
            task = gleenlet.current_task()
            watchdog.append(gleenlet.get_hub().call_later(5, task.interrupt, Hangs()))
            return test(*args, **kwargs)

        try:
            return gleenlet.run(limited)
        finally:
            watchdog[0].cancel()

    return run


def load(path: Path) -> types.ModuleType:
    tree = Blocking().visit(ast.parse(path.read_text(), str(path)))
    module = types.ModuleType(path.stem)
    utils = types.ModuleType("test.test_asyncio.utils")
    utils.await_without_task = None  # type: ignore[attr-defined]
    stand_ins = {"asyncio": asyncio, "asyncio.taskgroups": asyncio, "test.test_asyncio.utils": utils}
    asyncio.taskgroups = asyncio  # type: ignore[attr-defined]
    saved = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        module.__dict__.update(coroutine=coroutine, in_task=in_task, wait_for_it=wait_for_it)
        exec(compile(ast.fix_missing_locations(tree), str(path), "exec"), module.__dict__)
    finally:
        for name, old in saved.items():
            if old is None:
                del sys.modules[name]
            else:
                sys.modules[name] = old
    return module


def tests_of(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from tests_of(one)
        else:
            yield one


def main() -> None:
    if len(sys.argv) > 1:
        directory = Path(sys.argv[1])
    else:
        import test

        directory = Path(test.__path__[0], "test_asyncio")
    failed = False
    for name in MODULES:
        everything = list(tests_of(unittest.defaultTestLoader.loadTestsFromModule(load(directory / f"{name}.py"))))
        same = unittest.TestSuite(one for one in everything if one.id() not in DIFFERENT)
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(same)
        failed |= not result.wasSuccessful()
        for one in everything:
            if one.id() in DIFFERENT:
                print(f"  not run: {one.id()}: {DIFFERENT[one.id()]}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
