"""Futures of a real Dask cluster: results, errors, cancels. In a child: it brings threads and a loop of its own."""

from __future__ import annotations

import pytest

from child import run_script

pytest.importorskip("distributed", reason="the extra `dask` is not installed")

PROGRAM = """
import logging
import distributed
from gleenlet import sleep, spawn, to_thread, wait_future


def wait_at_gate(name):
    distributed.Event(name).wait()


def outcome(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except BaseException as error:
        return type(error).__name__


def results_and_errors(client):
    print(wait_future(client.submit(pow, 2, 10)), outcome(wait_future, client.submit(divmod, 1, 0)))
    tasks = [spawn(lambda n=n: wait_future(client.submit(pow, n, 2))) for n in range(20)]
    print([task.result() for task in tasks] == [n * n for n in range(20)])


def a_timeout_leaves_it_alone_and_a_cancel_cancels_it(client):
    future = client.submit(wait_at_gate, "first")
    print(outcome(wait_future, future, timeout=0.01), future.cancelled())
    task = spawn(wait_future, future)
    sleep(0)
    task.cancel()
    print(outcome(task.result))
    while not future.cancelled():
        sleep(0.001)
    to_thread(distributed.Event("first").set)


def one_that_somebody_else_cancels_is_an_error(client):
    future = client.submit(wait_at_gate, "second")
    task = spawn(wait_future, future)
    sleep(0)
    to_thread(future.cancel)
    print(outcome(task.result).endswith("CancelledError"), task.cancelled())
    to_thread(distributed.Event("second").set)


cluster = distributed.LocalCluster(
    n_workers=1, threads_per_worker=3, processes=False, dashboard_address=None, silence_logs=logging.CRITICAL
)
with cluster, distributed.Client(cluster) as client:
    results_and_errors(client)
    a_timeout_leaves_it_alone_and_a_cancel_cancels_it(client)
    one_that_somebody_else_cancels_is_an_error(client)
"""

PRINTED = """
1024 ZeroDivisionError
True
TimeoutError False
Cancelled
True False
"""


def test_results_errors_timeouts_and_cancels() -> None:
    outcome = run_script(PROGRAM)
    assert outcome.stdout == PRINTED.lstrip(), outcome.stderr
    assert outcome.status == 0
