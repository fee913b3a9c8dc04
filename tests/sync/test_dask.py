"""Futures of a real Dask cluster: results, errors, cancels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gleenlet import Cancelled, sleep, spawn, to_thread, wait_future

distributed: Any = pytest.importorskip("distributed", reason="the extra `dask` is not installed")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_results_and_errors(client: Any) -> None:
    assert wait_future(client.submit(pow, 2, 10)) == 1024
    with pytest.raises(ZeroDivisionError):
        wait_future(client.submit(divmod, 1, 0))


def test_many_at_once(client: Any) -> None:
    tasks = [spawn(lambda n=n: wait_future(client.submit(pow, n, 2))) for n in range(20)]
    assert [task.result() for task in tasks] == [n * n for n in range(20)]


def test_a_timeout_leaves_it_alone_and_a_cancel_cancels_it(client: Any) -> None:
    gate = distributed.Event("first")
    future = client.submit(wait_at_gate, "first")
    try:
        with pytest.raises(TimeoutError):
            wait_future(future, timeout=0.01)
        assert not future.cancelled()
        task = spawn(wait_future, future)
        sleep(0)
        task.cancel()
        with pytest.raises(Cancelled):
            task.result()
        to_thread(wait_until_cancelled, future)
    finally:
        to_thread(gate.set)


def wait_at_gate(name: str) -> None:
    distributed.Event(name).wait()


def wait_until_cancelled(future: Any) -> None:
    while not future.cancelled():
        pass


def test_one_that_somebody_else_cancels_is_an_error(client: Any) -> None:
    gate = distributed.Event("second")
    future = client.submit(wait_at_gate, "second")
    task = spawn(wait_future, future)
    sleep(0)
    to_thread(future.cancel)
    try:
        with pytest.raises(distributed.client.FutureCancelledError):
            task.result()
        assert not task.cancelled()
    finally:
        to_thread(gate.set)
