"""gleenlet.gevent: how errors, interrupts and a destroyed hub end."""

from __future__ import annotations

import pytest

from child import TESTS
from inside_gevent import alive, outcome_of

pytest.importorskip("gevent")


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise SystemExit(3)", "SystemExit"),
        ("gevent.get_hub().destroy()", "LoopExit"),
        ("gevent.get_hub().parent.throw(ValueError('thrown'))", "ValueError"),
    ],
)
def test_an_error_for_the_main_greenlet_ends_the_application(action: str, expected: str) -> None:
    alive(f"""
def worker():
    gevent.sleep(0.02)
    {action}

gevent.get_hub().exception_stream = None
app = Gio.Application(application_id="org.gleenlet.Test", flags=Gio.ApplicationFlags.NON_UNIQUE)
app.connect("activate", lambda app: (app.hold(), gevent.spawn(worker)))
try:
    gleenlet.gevent.run(app.run, [])
except BaseException as error:
    assert type(error).__name__ == "{expected}", repr(error)
else:
    sys.exit("no error")
check(0.02)
gevent.sleep(0.02)                        # gevent still works
""")


def test_an_ordinary_error_in_a_greenlet_is_reported_and_the_application_goes_on() -> None:
    outcome = outcome_of("""
def worker():
    raise ValueError("reported")
gevent.spawn(worker)
gevent.spawn_later(0.05, loop.quit)
gleenlet.gevent.run(loop.run)
print("went on")
""")
    assert outcome.stdout == "went on\n"
    assert "ValueError: reported" in outcome.stderr


def test_an_error_for_a_main_greenlet_that_runs_a_bare_loop_is_reported_and_system_exit_exits() -> None:
    outcome = outcome_of("""
gevent.get_hub().exception_stream = None
gevent.spawn_later(0.01, gevent.get_hub().parent.throw, ValueError("for the main greenlet"))
gevent.spawn_later(0.05, lambda: print("went on"))
gevent.spawn_later(0.06, sys.exit, 3)
loop.run()
""")
    assert "ValueError: for the main greenlet" in outcome.stderr
    assert (outcome.stdout, outcome.status) == ("went on\n", 3)


def test_an_exception_of_the_callable_itself_comes_out_of_run() -> None:
    alive("""
def main():
    gevent.sleep(0.01)
    raise ValueError("mine")
try:
    gleenlet.gevent.run(main)
except ValueError as error:
    assert str(error) == "mine"
else:
    sys.exit("no error")
""")


def test_the_hub_is_destroyed_in_a_glib_callback_and_a_new_one_takes_over() -> None:
    alive("""
log = []
def destroy():
    gevent.get_hub().destroy()
    gevent.spawn(lambda: (gevent.sleep(0.01), log.append("new"), loop.quit()))

gevent.spawn(gevent.sleep, 100)
GLib.timeout_add(30, destroy)
gleenlet.gevent.run(loop.run)
assert log == ["new"]
gevent.get_hub().destroy(destroy_loop=True)
gevent.sleep(0.01)
loop = GLib.MainLoop()
gevent.spawn_later(0.02, loop.quit)
loop.run()
""")


def test_keyboard_interrupt_reaches_the_waiting_main_greenlet() -> None:
    alive("""
gevent.get_hub().exception_stream = None
try:
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    gevent.sleep(100)
except KeyboardInterrupt:
    check(0.05)
else:
    sys.exit("slept")
""")


def test_keyboard_interrupt_ends_a_running_loop() -> None:
    alive("""
gevent.spawn(gevent.sleep, 100)
gevent.get_hub().exception_stream = None
try:
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    gleenlet.gevent.run(loop.run)
except KeyboardInterrupt:
    check(0.05)
else:
    sys.exit("no interrupt")
""")


def test_an_error_in_a_glib_callback_is_printed_and_system_exit_exits() -> None:
    outcome = outcome_of("""
def fail(error):
    raise error

GLib.timeout_add(10, fail, ValueError("in a callback"))
GLib.timeout_add(20, fail, KeyboardInterrupt("in a callback"))
gevent.spawn_later(0.06, print, "went on", flush=True)
GLib.timeout_add(100, fail, SystemExit(4))
gleenlet.gevent.run(loop.run)
""")
    assert "ValueError: in a callback" in outcome.stderr
    assert "KeyboardInterrupt: in a callback" in outcome.stderr
    assert (outcome.stdout, outcome.status) == ("went on\n", 4)


def test_where_no_descriptor_is_free_the_loop_is_an_error_and_libev_does_not_end_the_process() -> None:
    alive(f"""
import errno
sys.path.insert(0, {str(TESTS / "helpers")!r})
from descriptors import take_all_descriptors
taken = take_all_descriptors()
try:
    gevent.get_hub()
except OSError as error:
    assert error.errno == errno.EMFILE
else:
    sys.exit("no error")
for fd in taken:
    os.close(fd)
gevent.sleep(0.02)
check(0.02)
""")


def test_the_look_for_descriptors_needs_no_hub_where_os_close_does() -> None:
    """As gevent 26 has it, once all is patched."""
    alive("""
close = os.close
os.close = lambda fd: (gevent.get_hub(), close(fd))[1]
gevent.sleep(0.02)
check(0.02)
""")
