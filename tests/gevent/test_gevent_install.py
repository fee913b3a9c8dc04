"""gleenlet.gevent: ways to switch it on, and what is refused."""

from __future__ import annotations

import _ctypes
import sys
import threading
from importlib.util import find_spec
from typing import Any

import pytest
from gi.repository import GLib

pytest.importorskip("gevent")

import gevent

import gleenlet.gevent
from child import in_child
from gleenlet import GleenletError
from gleenlet.gevent import _libev
from inside_gevent import Counter, in_gevent

# Some tests import gleenlet.gevent themselves, after gevent has done something: a program may come to it as late.

needs_libuv = pytest.mark.skipif(find_spec("_cffi_backend") is None, reason="gevent's libuv loop needs cffi")


@in_child(env={"GEVENT_LOOP": "gleenlet.gevent.GLibLoop"}, says="True gevent.libev.corecext")
def test_the_loop_can_be_named_in_the_environment() -> None:
    import gevent.core

    gevent.sleep(0.01)
    print(gevent.get_hub().loop.attached, gevent.core.loop.__module__)


@in_child()
def test_install_takes_over_a_hub_that_an_import_has_made() -> None:
    log: list[str] = []
    gevent.get_hub().loop.run_callback(log.append, "queued before")
    from gleenlet.gevent import install

    install()
    gevent.sleep(0.01)
    assert gevent.get_hub().loop.attached
    assert log == ["queued before"]


@in_child()
def test_install_comes_too_late_once_the_hub_runs() -> None:
    gevent.sleep(0)
    from gleenlet.gevent import install

    with pytest.raises(GleenletError, match=r"Call gleenlet\.gevent\.install\(\) in the main thread before"):
        install()


@in_child()
def test_install_refuses_a_hub_on_another_loop_even_if_nothing_has_waited() -> None:
    import gevent.core

    class Other(gevent.core.loop):  # type: ignore[misc]  # it has no types
        pass

    gevent.config.loop = Other
    gevent.get_hub()
    from gleenlet.gevent import install

    with pytest.raises(GleenletError, match="gevent already runs on __main__, so it cannot move to GLib's loop"):
        install()


@needs_libuv
@in_child(env={"GEVENT_LOOP": "libuv"})
def test_install_sets_libuv_aside_until_there_is_a_hub() -> None:
    from gleenlet.gevent import install

    install()
    assert gevent.get_hub().loop.attached


@needs_libuv
@in_child(env={"GEVENT_LOOP": "libuv"})
def test_install_refuses_a_hub_on_libuv() -> None:
    gevent.get_hub()
    from gleenlet.gevent import install

    with pytest.raises(GleenletError, match=r"gevent already runs on gevent\.libuv\.loop"):
        install()


@in_child()
@pytest.mark.parametrize("missing", ["gevent", "gevent.libev.corecext"])
def test_without_gevent_the_import_says_what_to_install(missing: str) -> None:
    sys.modules[missing] = None  # type: ignore[assignment]
    with pytest.raises(ImportError, match=r'pip install "gleenlet\[gevent\]"'):
        from gleenlet.gevent import install  # noqa: F401


@in_child()
def test_a_libev_without_symbols_is_refused_clearly() -> None:
    with pytest.raises(ImportError, match="this gevent was built without libev's symbols"):
        _libev.setup(_ctypes.__file__, gleenlet.gevent, object)


@in_gevent()
def test_the_hub_is_reached_through_its_table_and_by_name() -> None:
    gevent.sleep(0.001)
    assert gleenlet.gevent._guest._slot is True
    log: list[Any] = []

    class Noted(gevent.Greenlet):  # type: ignore[misc]  # it has no types
        def switch_out(self: Any) -> None:
            log.append("out")

    Noted.spawn(gevent.sleep, 0).join()
    assert log == ["out"], log
    log.clear()

    def worker() -> None:
        gevent.get_hub().loop.run_callback(gevent.getcurrent().switch, "by name")
        log.append(gevent.get_hub().switch())

    gevent.spawn(worker).join()
    assert log == ["by name"]


@in_gevent()
def test_without_the_table_all_goes_through_the_method() -> None:
    gleenlet.gevent._guest._slot = False  # as if the trial call had failed
    refused: list[Any] = []
    counter = Counter()

    def changed(*_: Any) -> None:
        try:
            gevent.sleep(0.01)
        except gleenlet.UnsafeSwitchError as error:
            refused.append(error)

    counter.connect("notify::value", changed)
    gevent.spawn(setattr, counter, "value", 1).join()
    gevent.sleep(0.01)
    assert len(refused) == 1


@in_gevent(env={"GEVENT_BACKEND": "select"}, warns="...Unset GEVENT_BACKEND...", says="1")
def test_another_backend_of_libevs_is_told_and_works_without_glib() -> None:
    gevent.sleep(0.01)
    print(1)


@in_gevent(says="ended")
def test_thread_that_ends_with_a_task_beside_gevent_ends() -> None:
    def with_a_task() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        gleenlet.spawn(gleenlet.Event().wait)
        gleenlet.sleep(0.001)
        context.pop_thread_default()

    gevent.sleep(0)
    thread = threading.Thread(target=with_a_task)
    thread.start()
    thread.join()
    print("ended")
