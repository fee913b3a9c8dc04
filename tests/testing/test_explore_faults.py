"""What the explorer tries beside the order of tasks: GLib's callbacks, replies, nested loops, and what users do."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Callable
from typing import Any

import gi
import pytest

gi.require_version("Gdk", "4.0")
gi.require_version("Gtk", "4.0")
from gi.repository import Gio, GLib

from gleenlet import Event, TaskGroup, call, move_on_after, run, sleep, spawn, wait_signal
from gleenlet.testing import (
    Deadlock,
    answer_dialogs,
    choice,
    explore,
    may_be_clicked_twice,
    may_be_destroyed,
    may_happen,
    may_lose_peer,
    virtual_time,
)


def seen_by(test: Callable[[], object], **how: Any) -> set[object]:
    """What it returns in all its runs."""
    seen: set[object] = set()
    explore(**{"exhaustive": True, **how})(lambda: seen.add(test()))()
    return seen


def notes_of(test: Callable[[], object], error: type[BaseException], **how: Any) -> str:
    with pytest.raises(error) as caught:
        explore(**{"exhaustive": True, **how})(test)()
    return str(caught.value.__notes__[0])


# ---- the loop's own ----


def test_timeouts_of_glib_that_are_due_at_one_moment_come_in_any_order() -> None:
    def test() -> str:
        log: list[str] = []
        for name in "abc":
            GLib.timeout_add(1000, log.append, name)
        sleep(2)
        return "".join(log)

    with virtual_time():
        assert run(test) == "abc"
    assert seen_by(test, preemptions=3) == {"abc", "acb", "bac", "bca", "cab", "cba"}


def test_a_timeout_of_glib_comes_before_or_after_a_sleep_of_equal_length() -> None:
    def test() -> str:
        log: list[str] = []
        GLib.timeout_add(1000, log.append, "glib")
        sleep(1)
        log.append("task")
        sleep(1)
        return " ".join(log)

    assert seen_by(test) == {"glib task", "task glib"}


def test_a_time_limit_meets_a_signal() -> None:
    def test() -> bool:
        store = Gio.ListStore.new(Gio.SimpleAction)
        GLib.timeout_add(1000, lambda: store.append(Gio.SimpleAction(name="x")))
        with move_on_after(1) as limit:
            wait_signal(store, "items-changed")
        sleep(1)
        return limit.expired()

    assert seen_by(test) == {True, False}


def test_priorities_are_kept_afterwards() -> None:
    priorities: set[int] = set()

    def test() -> None:
        numbers = [GLib.timeout_add(1000, lambda: True) for _ in "ab"]
        context = GLib.MainContext.default()
        sources = [context.find_source_by_id(number) for number in numbers]
        for _ in range(3):
            sleep(1)
        priorities.update(source.get_priority() for source in sources)
        for number in numbers:
            GLib.source_remove(number)

    explore(exhaustive=True, preemptions=1, runs=100)(test)()
    assert priorities == {GLib.PRIORITY_DEFAULT}


def test_a_gio_result_arrives_before_or_after_a_deadline() -> None:
    file = Gio.File.new_for_path(__file__)

    def test() -> bool:
        with move_on_after(5) as limit:
            call(file.load_contents_async)
        return limit.expired()

    assert seen_by(test) == {False}
    assert seen_by(test, late_replies=1) == {True, False}


def test_a_loop_begins_inside_the_loop() -> None:
    depths: set[int] = set()

    def test() -> None:
        def work() -> None:
            for _ in range(3):
                sleep(1)
                depths.add(GLib.main_depth())

        with TaskGroup() as group:
            group.spawn(work)
            group.spawn(work)

    explore(exhaustive=True, preemptions=1, nested_loops=1)(test)()
    assert len(depths) == 2


def test_a_cancellation_comes_at_any_wait() -> None:
    def test() -> str:
        log: list[str] = []

        def work() -> None:
            for name in "abc":
                try:
                    sleep(1)
                except BaseException:
                    log.append(name)
                    raise

        spawn(work, name="work").join()
        return "".join(log)

    assert seen_by(test, cancellations=1) == {"", "a", "b", "c"}
    table = notes_of(lambda: test() == "" or 1 / 0, ZeroDivisionError, cancellations=1)
    assert "meanwhile: cancels 'work'" in table


def test_nothing_happens_outside_of_it() -> None:
    def test() -> None:
        with may_happen(lambda: 1 / 0):
            sleep(1)

    with virtual_time():
        run(test)
    assert choice(1, 2) == 1


def test_a_choice_is_tried_each_way_and_told_of() -> None:
    assert seen_by(lambda: choice("a", "b", "c")) == {"a", "b", "c"}
    assert seen_by(lambda: choice("a", "b", "c"), exhaustive=False, runs=50) == {"a", "b", "c"}
    assert "chooses 3" in notes_of(lambda: 1 // (3 - choice(1, 2, 3)), ZeroDivisionError)


def test_it_happens_at_most_so_often_and_only_at_such_waits() -> None:
    def test(times: int, at: str) -> int:
        log: list[int] = []
        event = Event()
        with may_happen(lambda: log.append(1), times=times, at=at):
            sleep(1)
            with move_on_after(1):
                event.wait()
        sleep(0)
        return len(log)

    assert seen_by(lambda: test(2, ""), preemptions=3) == {0, 1, 2}
    assert seen_by(lambda: test(9, "Event.wait"), preemptions=3) == {0, 1, 2}
    assert seen_by(lambda: test(9, "nothing")) == {0}


# ---- what users and peers do ----


@pytest.fixture
def gtk(display: None) -> Any:
    gtk: Any = importlib.import_module("gi.repository.Gtk")
    return gtk


def test_a_window_may_be_destroyed_at_a_wait(gtk: Any) -> None:
    def save() -> str:
        window = gtk.Window(title="document")
        label = gtk.Label()
        window.set_child(label)
        with may_be_destroyed(window):
            sleep(1)
        open_still = window in list(gtk.Window.get_toplevels())
        window.destroy()
        return "open" if open_still else "gone"

    assert seen_by(save) == {"open", "gone"}
    assert "destroys <Window>" in notes_of(lambda: 1 // (save() == "open"), ZeroDivisionError)


@pytest.mark.parametrize("kind", ["Box", "Button", "Overlay"])
def test_a_widget_may_be_taken_from_its_parent_at_a_wait(kind: str, gtk: Any) -> None:
    def test() -> bool:
        parent, label = getattr(gtk, kind)(), gtk.Label()
        parent.append(label) if kind == "Box" else parent.set_child(label)
        with may_be_destroyed(label):
            sleep(1)
        sleep(0)
        return label.get_parent() is None

    assert seen_by(test) == {True, False}


def test_a_button_may_be_clicked_twice(gtk: Any) -> None:
    def test(careful: bool) -> int:
        orders: list[int] = []
        button = gtk.Button(label="Order")
        window = gtk.Window(child=button)

        def order() -> None:
            if careful:
                button.set_sensitive(False)
            sleep(1)
            orders.append(1)

        button.connect("clicked", lambda _: spawn(order, name="order"))
        window.present()
        with may_be_clicked_twice(button):
            button.emit("clicked")
            sleep(0)
            sleep(2)
        window.destroy()
        return len(orders)

    # The second click may come before the first one's task has done anything, so a task is too late to be careful.
    assert seen_by(lambda: test(careful=False)) == {1, 2}


def test_a_dialog_is_answered_closed_or_never(gtk: Any) -> None:
    from gleenlet.gtk import ask

    def test(never: bool) -> tuple[object, object]:
        with answer_dialogs(never=never) as answers:
            with move_on_after(60):
                return ask(None, "Delete it?", buttons=["_Keep", "_Delete"]), answers[0]
        return "waits", answers[0]

    closed = {("_Keep", "Keep"), ("_Delete", "Delete"), (None, "closed")}
    assert seen_by(lambda: test(False)) == closed
    assert seen_by(lambda: test(True)) == closed | {("waits", "never")}
    with virtual_time():
        assert run(test, True) == ("_Keep", "Keep")


def test_a_peer_may_be_gone_before_its_reply() -> None:
    """One end of a connection closes between call and reply."""

    def connect() -> tuple[Gio.DBusConnection, Gio.DBusConnection]:
        ours, theirs = socket.socketpair()
        streams = [
            Gio.Socket.new_from_fd(one.detach()).connection_factory_create_connection() for one in (ours, theirs)
        ]
        server = Gio.DBusConnectionFlags.AUTHENTICATION_SERVER | Gio.DBusConnectionFlags.AUTHENTICATION_ALLOW_ANONYMOUS
        with TaskGroup() as group:
            accepted = group.spawn(call, Gio.DBusConnection.new, streams[0], Gio.dbus_generate_guid(), server, None)
            made = group.spawn(
                call, Gio.DBusConnection.new, streams[1], None, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT, None
            )
        return accepted.result(), made.result()

    def test() -> str:
        service, client = connect()
        service.register_object("/x", NODE.interfaces[0], lambda *args: args[-1].return_value(None), None, None)
        with may_lose_peer(service):
            try:
                call(client.call, None, "/x", "x.Y", "Ping", None, None, Gio.DBusCallFlags.NONE, -1)
                return "reply"
            except GLib.Error as error:
                return str(Gio.DBusError.get_remote_error(error) or error.domain)
            finally:
                for one in (service, client):
                    if not one.is_closed():
                        one.close_sync(None)

    found = seen_by(test)
    assert "reply" in found
    assert len(found) > 1


NODE = Gio.DBusNodeInfo.new_for_xml("<node><interface name='x.Y'><method name='Ping'/></interface></node>")


def test_a_dialog_that_nobody_answers_is_a_deadlock(gtk: Any) -> None:
    from gleenlet.gtk import ask

    def test() -> None:
        with answer_dialogs(never=True):
            ask(None, "Delete it?", buttons=["_Keep"])

    assert "chooses 'never'" in notes_of(test, Deadlock)
