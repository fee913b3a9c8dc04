"""gleenlet.gevent: ways to switch it on, and what is refused."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

pytest.importorskip("gevent")

import gevent

import gleenlet.gevent
from child import run_script
from inside_gevent import Counter, in_gevent


def test_the_loop_can_be_named_in_the_environment() -> None:
    outcome = run_script(
        "import gevent.core; gevent.sleep(0.01); loop = gevent.get_hub().loop\n"
        "print(loop.attached, gevent.core.loop.__module__)",
        env={"GEVENT_LOOP": "gleenlet.gevent.GLibLoop"},
    )
    assert outcome.stdout == "True gevent.libev.corecext\n", outcome.stderr


def test_install_takes_over_a_hub_that_an_import_has_made() -> None:
    outcome = run_script("""
import gevent, sys
log = []
gevent.get_hub().loop.run_callback(log.append, "queued before")
import gleenlet.gevent
gleenlet.gevent.install()
gevent.sleep(0.01)
assert gevent.get_hub().loop.attached and log == ["queued before"], log
""")
    assert outcome.status == 0, outcome.stderr


def test_install_comes_too_late_once_the_hub_runs() -> None:
    outcome = run_script("import gevent; gevent.sleep(0); import gleenlet.gevent; gleenlet.gevent.install()")
    assert "Call gleenlet.gevent.install() in the main thread before" in outcome.stderr
    assert outcome.status == 1


def test_install_refuses_a_hub_on_another_loop_even_if_nothing_has_waited() -> None:
    outcome = run_script("""
import gevent, gevent.core
class Other(gevent.core.loop):
    pass
gevent.config.loop = Other
gevent.get_hub()
import gleenlet.gevent
gleenlet.gevent.install()
""")
    assert "GleenletError: gevent already runs on __main__, so it cannot move to GLib's loop" in outcome.stderr


@pytest.mark.skipif(find_spec("_cffi_backend") is None, reason="gevent's libuv loop needs cffi")
def test_install_sets_libuv_aside_until_there_is_a_hub() -> None:
    program = (
        "import gevent; {}; import gleenlet.gevent; gleenlet.gevent.install(); print(gevent.get_hub().loop.attached)"
    )
    outcome = run_script(program.format("pass"), env={"GEVENT_LOOP": "libuv"})
    assert outcome.stdout == "True\n", outcome.stderr
    outcome = run_script(program.format("gevent.get_hub()"), env={"GEVENT_LOOP": "libuv"})
    assert "GleenletError: gevent already runs on gevent.libuv.loop" in outcome.stderr


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("gevent", 'pip install "gleenlet[gevent]"'),
        ("gevent.libev.corecext", 'pip install "gleenlet[gevent]"'),
    ],
)
def test_without_gevent_the_import_says_what_to_install(missing: str, told: str) -> None:
    outcome = run_script(f"import sys; sys.modules[{missing!r}] = None; import gleenlet.gevent")
    assert told in outcome.stderr


def test_a_libev_without_symbols_is_refused_clearly() -> None:
    outcome = run_script(
        "import gleenlet.gevent as g, sys; from gleenlet.gevent import _libev\n"
        "import _ctypes; _libev.setup(_ctypes.__file__, g, object)"
    )
    assert "ImportError: this gevent was built without libev's symbols" in outcome.stderr


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


def test_another_backend_of_libevs_is_told_and_works_without_glib() -> None:
    outcome = run_script(
        "import gleenlet.gevent; gleenlet.gevent.install(); import gevent; gevent.sleep(0.01); print(1)",
        env={"GEVENT_BACKEND": "select"},
    )
    assert outcome.stdout == "1\n"
    assert "Unset GEVENT_BACKEND" in outcome.stderr


def test_thread_that_ends_with_a_task_beside_gevent_ends() -> None:
    outcome = run_script("""
import threading
import gevent
from gi.repository import GLib
import gleenlet, gleenlet.gevent
gleenlet.gevent.install()
gevent.sleep(0)
def thread():
    context = GLib.MainContext.new()
    context.push_thread_default()
    gleenlet.spawn(gleenlet.Event().wait)
    gleenlet.sleep(0.001)
    context.pop_thread_default()
one = threading.Thread(target=thread)
one.start()
one.join()
print("ended")
""")
    assert outcome.stdout == "ended\n", outcome.stdout + outcome.stderr
