"""Futures of a real Dask cluster: results, errors, cancels. In a child: it brings threads and a loop of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from child import in_child
from gleenlet import Cancelled, sleep, spawn, to_thread, wait_future

distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")


def gate(name: str) -> Any:
    return distributed.Event(name)


def wait_at_gate(name: str) -> None:
    gate(name).wait()


def failure(func: Callable[..., Any], *args: Any, **kwargs: Any) -> BaseException | None:
    try:
        func(*args, **kwargs)
    except BaseException as error:
        return error
    return None


def results_and_errors(client: Any) -> None:
    assert wait_future(client.submit(pow, 2, 10)) == 1024
    assert isinstance(failure(wait_future, client.submit(divmod, 1, 0)), ZeroDivisionError)
    tasks = [spawn(lambda n=n: wait_future(client.submit(pow, n, 2))) for n in range(20)]
    assert [task.result() for task in tasks] == [n * n for n in range(20)]


def a_timeout_leaves_it_alone_and_a_cancel_cancels_it(client: Any) -> None:
    future = client.submit(wait_at_gate, "first")
    assert isinstance(failure(wait_future, future, timeout=0.01), TimeoutError)
    assert not future.cancelled()
    task = spawn(wait_future, future)
    sleep(0)
    task.cancel()
    assert isinstance(failure(task.result), Cancelled)
    while not future.cancelled():
        sleep(0.001)
    to_thread(gate("first").set)


def one_that_somebody_else_cancels_is_an_error(client: Any) -> None:
    future = client.submit(wait_at_gate, "second")
    task = spawn(wait_future, future)
    sleep(0)
    to_thread(future.cancel)
    assert type(failure(task.result)).__name__.endswith("CancelledError")
    assert not task.cancelled()
    to_thread(gate("second").set)


@in_child()
def test_results_errors_timeouts_and_cancels() -> None:
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=3, processes=False, dashboard_address=None, silence_logs=logging.CRITICAL
    )
    with cluster, distributed.Client(cluster) as client:
        results_and_errors(client)
        a_timeout_leaves_it_alone_and_a_cancel_cancels_it(client)
        one_that_somebody_else_cancels_is_an_error(client)
