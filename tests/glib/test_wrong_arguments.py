"""An argument of a wrong type is refused where it is given, and the error says what it must be."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from gi.repository import Gio

import gleenlet
from gleenlet import get_hub
from gleenlet._core import _native

pytestmark = pytest.mark.usefixtures("nothing_left")

any_: Any = gleenlet
obj = Gio.SimpleAction.new("save", None)
root: Any = Gio.File.new_for_path("/")
WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "child": (lambda: any_.wait_child("x"), "pid must be a process's id or its subprocess.Popen, not str"),
    "child: None": (lambda: any_.wait_child(None), "pid must be .* not NoneType"),
    "child: odd": (lambda: any_.wait_child(datetime.date), "pid must be .* not type"),
    "signal": (lambda: any_.wait_signal(obj, 3), 'signal must be a signal\'s name, such as "clicked".*, not int'),
    "signal: bytes": (lambda: any_.wait_signal(obj, b"x"), "signal must be .* not bytes"),
    "signal: object": (lambda: any_.wait_signal("obj", "x"), "obj must be a GObject, which emits signals, not str"),
    "signal: class": (lambda: any_.wait_signal(Gio.SimpleAction, "x"), "not the class SimpleAction"),
    "signals": (lambda: any_.signals(obj, 3), "signals.. needs an object and a signal's name"),
    "signals: pair": (lambda: any_.signals(obj, 3), r", not \(<.*SimpleAction.*, 3\)"),
    "signals: limit": (lambda: any_.signals(obj, "notify", limit="x"), "limit must be a whole number, not str"),
    "property": (lambda: any_.wait_property(obj, b"x", bool), "name must be a property's name.*, not bytes"),
    "property: int": (lambda: any_.wait_property(obj, 3), "name must be a property's name.*, not int"),
    "property: object": (lambda: any_.wait_property("obj", "x"), "obj must be a GObject.*, not str"),
    "property: predicate": (lambda: any_.wait_property(obj, "name", 3), "predicate must be a function.*, not int"),
    "unix signal": (lambda: any_.wait_unix_signal("TERM"), "signum must be a signal's number.*, not str"),
    "semaphore": (lambda: any_.Semaphore("x"), "value must be a whole number, not str"),
    "bounded semaphore": (lambda: any_.BoundedSemaphore(1.5), "value must be a whole number, not float"),
    "barrier": (lambda: any_.Barrier("x"), "parties must be a whole number, not str"),
    "queue": (lambda: any_.Queue(None), "maxsize must be a number of items, not NoneType"),
    "lifo queue": (lambda: any_.LifoQueue("x"), "maxsize must be a number of items, not str"),
    "priority queue": (lambda: any_.PriorityQueue([]), "maxsize must be a number of items, not list"),
    "timeout": (lambda: any_.timeout("x"), "seconds must be a number of seconds or None, not str"),
    "timeout: span": (lambda: any_.timeout(datetime.timedelta(1)), "seconds must be .* not datetime.timedelta"),
    "timeout: complex": (lambda: any_.timeout(1j), "a deadline must be a number of seconds or None, not complex"),
    "timeout_at": (lambda: any_.timeout_at("x"), "a deadline must be a number of seconds or None, not str"),
    "move_on_after": (lambda: any_.move_on_after(b"x"), "seconds must be a number of seconds or None, not bytes"),
    "call_later": (lambda: any_.get_hub().call_later("x", print), "seconds must be a number of seconds, not str"),
    "call_at": (lambda: any_.get_hub().call_at("x", print), "a deadline must be a number of seconds, not str"),
    "wait": (lambda: any_.wait(3), "wait.. needs a list or another iterable of tasks, not int"),
    "as_completed": (lambda: any_.as_completed(3), "as_completed.. needs a list or another iterable of tasks, not int"),
    "to_thread": (lambda: any_.to_thread(3), "to_thread.. needs a function, not int"),
    "run_outside": (lambda: any_.run_outside(3), "run_outside.. needs a function, not int"),
    "call": (lambda: any_.call(root.read_async, cancellable=3), "cancellable must be a Gio.Cancellable, not int"),
    "predicate": (lambda: any_.Condition().wait_for(3), "wait_for.. needs a function without arguments, not int"),
    "watch": (lambda: get_hub().watch(0, 3), "watch.. needs a function, not int"),  # type: ignore[arg-type]
    "priority": (lambda: any_.spawn(int, priority="x"), "priority must be a whole number, .*PRIORITY_LOW, not str"),
    "green's priority": (lambda: any_.green(int, priority="x"), "priority must be a whole number, .*, not str"),
    "task": (lambda: any_.Task(int), r"tasks are made by spawn\(func, ...\)"),
}


@pytest.mark.parametrize(("use", "text"), WRONG.values(), ids=WRONG)
def test_a_wrong_argument_is_named(use: Callable[[], object], text: str) -> None:
    with pytest.raises(TypeError, match=text.replace("datetime.timedelta", "timedelta")):
        use()


@pytest.mark.parametrize(
    ("use", "text"),
    {
        lambda: any_.spawn(int, priority=1 << 40): "priority must be one of GLib's, .*PRIORITY_LOW, not 1099511627776",
        lambda: any_.wait_child(1 << 40): "pid must be that of one process, not 1099511627776",
        lambda: any_.wait_readable(1 << 70): "descriptor 1180591620717411303424 is not open",
        lambda: any_.wait_readable(-1): "descriptor -1 is not open",
    }.items(),
)
def test_a_number_out_of_range_is_named(use: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        use()


def test_numbers_of_other_types_will_do() -> None:
    class Two:
        def __index__(self) -> int:
            return 2

    assert any_.Barrier(Two()).parties == 2
    assert gleenlet.Semaphore(True).locked() is False
    assert gleenlet.Queue(float("inf")).full() is False


@pytest.mark.parametrize("again", [lambda hub: hub.__init__(), lambda hub: _native.Hub.__init__(hub, 0)])
def test_a_hub_is_made_once(again: Callable[[Any], object]) -> None:
    hub = get_hub()
    floor = hub.floor
    with pytest.raises(gleenlet.GleenletError, match="made before"):
        again(hub)
    assert hub.floor == floor
    assert get_hub() is hub
