"""Signals and properties of real objects: list stores, actions, a GTK button, a GStreamer bus."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import gi
import pytest

gi.require_version("Gtk", "4.0")
gi.require_version("Gst", "1.0")
from gi.repository import Gio, GObject, Gst, Gtk

from gleenlet import (
    Cancelled,
    GleenletError,
    signals,
    sleep,
    spawn,
    wait_any_signal,
    wait_property,
    wait_signal,
)
from inside import settle
from watching import has_handler, live_sources


class Asker(GObject.Object):
    """Asks its handlers, as a window asks whether it may close."""

    __gtype_name__ = "GleenletTestAsker"

    @GObject.Signal(
        flags=GObject.SignalFlags.RUN_LAST,
        return_type=bool,
        arg_types=(int,),
        accumulator=GObject.signal_accumulator_true_handled,
    )
    def ask(self, number: int) -> bool:
        return False

    title = GObject.Property(type=str, default="")
    secret = GObject.Property(type=int, flags=GObject.ParamFlags.WRITABLE)
    my_count = GObject.Property(type=int, default=0)


@pytest.fixture
def store() -> Gio.ListStore:
    return Gio.ListStore.new(GObject.Object)


# ---- wait_signal ----


def test_wait_signal_returns_the_arguments_without_the_emitter(store: Gio.ListStore) -> None:
    task = spawn(store.append, GObject.Object())
    assert wait_signal(store, "items-changed") == (0, 0, 1)
    task.result()
    assert not has_handler(store, "items-changed")


def test_cancelled_wait_signal_leaves_no_handler(store: Gio.ListStore) -> None:
    task = spawn(wait_signal, store, "items-changed")
    settle()  # promised: everything else runs first
    assert has_handler(store, "items-changed")

    task.cancel()

    with pytest.raises(Cancelled):
        task.result()
    assert not has_handler(store, "items-changed")


def test_wait_signal_gives_up_after_its_timeout(store: Gio.ListStore) -> None:
    with pytest.raises(TimeoutError):
        wait_signal(store, "items-changed", 0)
    assert not has_handler(store, "items-changed")


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_bad_timeouts_register_nothing(store: Gio.ListStore, timeout: float) -> None:
    with pytest.raises(ValueError):
        wait_signal(store, "items-changed", timeout)
    with pytest.raises(ValueError):
        wait_property(Gio.SimpleAction.new("a", None), "enabled", bool, timeout)
    assert not has_handler(store, "items-changed")


def test_wait_signal_takes_the_first_of_two_emissions_and_is_deaf_to_the_second(store: Gio.ListStore) -> None:
    def twice() -> None:
        store.append(GObject.Object())
        store.append(GObject.Object())

    spawn(twice)
    assert wait_signal(store, "items-changed") == (0, 0, 1)


@pytest.mark.parametrize(
    ("signal", "says"),
    [
        ("nonsense", "unknown signal name: nonsense"),
        ("items-changed::detail", "unknown signal name: items-changed::detail"),
        ("notify::nonsense", "no property 'nonsense'"),
    ],
)
def test_a_signal_that_cannot_come_is_refused(store: Gio.ListStore, signal: str, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        wait_signal(store, signal)
    with pytest.raises(TypeError, match=says), signals(store, signal):
        pass


def test_a_property_name_in_pythons_spelling_is_refused_with_the_right_one() -> None:
    with pytest.raises(TypeError, match='write "notify::my-count"'):
        wait_signal(Asker(), "notify::my_count")


def test_an_emitter_disposed_meanwhile_ends_the_wait(store: Gio.ListStore) -> None:
    spawn(store.run_dispose)
    with pytest.raises(GleenletError, match="'items-changed' will not be emitted any more"):
        wait_signal(store, "items-changed")


def test_an_object_without_its_c_side_is_refused() -> None:
    with pytest.raises(TypeError, match="not initialized"):
        wait_signal(GObject.Object.__new__(GObject.Object), "notify")


def test_the_emitter_gets_the_answer() -> None:
    asker = Asker()
    answers = []
    spawn(lambda: answers.append(asker.emit("ask", 1)))
    assert wait_signal(asker, "ask", returns=True) == (1,)
    with signals(asker, "ask", returns=True) as questions:
        answers.append(asker.emit("ask", 2))
        assert next(questions) == (2,)
    answers.append(asker.emit("ask", 3))
    assert answers == [True, True, False]


def test_an_emission_from_another_thread_wakes_the_task() -> None:
    asker = Asker()
    with signals(asker, "ask") as questions:
        thread = threading.Thread(target=asker.emit, args=("ask", 5))
        task = spawn(wait_signal, asker, "ask")
        settle()
        thread.start()
        assert task.result() == (5,)
        assert next(questions) == (5,)
    thread.join()


@pytest.mark.usefixtures("display")
def test_a_click_of_a_gtk_button() -> None:
    button = Gtk.Button(label="go")
    spawn(button.emit, "clicked")
    assert wait_signal(button, "clicked") == ()
    window = Gtk.Window(child=button)
    window.present()
    closing = spawn(wait_signal, window, "close-request", returns=True)
    settle()
    window.close()
    assert closing.result() == ()
    assert not window.in_destruction()
    window.destroy()


def test_the_bus_of_a_gstreamer_pipeline() -> None:
    Gst.init(None)
    pipeline = Gst.parse_launch("videotestsrc num-buffers=5 ! fakesink")
    bus = pipeline.get_bus()
    assert bus is not None
    bus.add_signal_watch()
    try:
        pipeline.set_state(Gst.State.PLAYING)
        (message,) = wait_signal(bus, "message::eos")
        assert message.type == Gst.MessageType.EOS
    finally:
        pipeline.set_state(Gst.State.NULL)
        bus.remove_signal_watch()


# ---- signals ----


def test_signals_loses_none_between_two_steps(store: Gio.ListStore) -> None:
    seen = []

    def consume() -> None:
        with signals(store, "items-changed") as changes:
            for change in changes:
                seen.append(change)
                store.append(GObject.Object())  # emits while the loop's body runs
                sleep(0)
                if len(seen) == 4:
                    return

    task = spawn(consume)
    settle()
    store.append(GObject.Object())
    store.remove(0)
    task.result()
    assert seen == [(0, 0, 1), (0, 1, 0), (0, 0, 1), (1, 0, 1)]
    assert not has_handler(store, "items-changed")


@pytest.mark.parametrize("leave", ["break", "raise", "cancel"])
def test_signals_disconnects_however_its_block_is_left(store: Gio.ListStore, leave: str) -> None:
    def consume() -> None:
        with signals(store, "items-changed") as changes:
            for _ in changes:
                if leave == "raise":
                    raise KeyError
                break

    task = spawn(consume)
    settle()
    assert has_handler(store, "items-changed")
    if leave == "cancel":
        task.cancel()
    else:
        store.append(GObject.Object())
    task.join()
    assert not has_handler(store, "items-changed")
    if leave == "raise":
        with pytest.raises(KeyError):
            task.result()


def test_signals_ends_when_the_emitter_does_after_what_came_before() -> None:
    store = Gio.ListStore.new(GObject.Object)
    seen: list[object] = []

    def consume(emissions: signals[Any]) -> None:
        with emissions:
            seen.extend(emissions)

    task = spawn(consume, signals(store, "items-changed"))
    settle()
    store.append(GObject.Object())
    del store  # the only reference: nothing here keeps it alive
    gc.collect()
    task.result()
    assert seen == [(0, 0, 1)]


def test_signals_is_left_quietly_when_somebody_else_has_disconnected_it(store: Gio.ListStore) -> None:
    with signals(store, "items-changed"):
        GObject.signal_handlers_destroy(store)
    assert not has_handler(store, "items-changed")


def test_signals_outlives_the_python_wrapper() -> None:
    group = Gio.SimpleActionGroup()
    group.add_action(Gio.SimpleAction.new("save", None))
    action: Any = group.lookup_action("save")
    emissions = signals(action, "activate")
    del action
    with emissions as activations:
        gc.collect()  # the wrapper is gone, the action is the group's
        group.activate_action("save", None)
        assert next(activations) == (None,)
        group.remove_action("save")
        assert list(activations) == []


@pytest.mark.usefixtures("display")
def test_signals_keeps_no_widget_alive() -> None:
    button = Gtk.Button()
    gone = []
    button.weak_ref(lambda: gone.append(True))
    emissions = signals(button, "clicked")
    with emissions:
        del button
        gc.collect()
        assert gone == [True]


@pytest.mark.parametrize(
    ("when_full", "expected", "dropped"),
    [("drop_oldest", [(2, 0, 1), (3, 0, 1)], 2), ("drop_newest", [(0, 0, 1), (1, 0, 1)], 2)],
)
def test_a_full_signals_drops_what_it_was_told_to(
    store: Gio.ListStore, when_full: str, expected: list[object], dropped: int
) -> None:
    with signals(store, "items-changed", limit=2, when_full=when_full) as changes:  # type: ignore[call-overload]
        for _ in range(4):
            store.append(GObject.Object())
        assert [next(changes), next(changes)] == expected
        assert changes.dropped == dropped


def test_a_full_signals_raises_after_what_it_has(store: Gio.ListStore) -> None:
    with signals(store, "items-changed", limit=2) as changes:
        for _ in range(4):
            store.append(GObject.Object())
        assert [next(changes), next(changes)] == [(0, 0, 1), (1, 0, 1)]
        with pytest.raises(GleenletError, match="more than 2 emissions of 'items-changed'"):
            next(changes)


def test_wrong_uses_of_signals_are_refused(store: Gio.ListStore) -> None:
    with pytest.raises(ValueError, match="limit must be 1 or more, not 0"):
        signals(store, "items-changed", limit=0)
    with pytest.raises(ValueError, match="when_full must be"):
        signals(store, "items-changed", when_full="explode")  # type: ignore[call-overload]
    with pytest.raises(GleenletError, match="outside its block"):
        next(signals(store, "items-changed"))
    emissions = signals(store, "items-changed")
    with emissions:
        waiting = spawn(next, emissions)
        settle()
        with pytest.raises(GleenletError, match="give each its own"):
            next(emissions)
        store.append(GObject.Object())
        assert waiting.result() == (0, 0, 1)
    with pytest.raises(GleenletError, match="used before"), emissions:
        pass


# ---- wait_property ----


def test_wait_property_returns_at_once_where_the_predicate_holds() -> None:
    action = Gio.SimpleAction.new("save", None)
    before = live_sources()
    assert wait_property(action, "enabled") is True
    assert live_sources() == before


def test_wait_property_waits_for_the_value_that_the_predicate_likes() -> None:
    asker = Asker()

    def count() -> None:
        for number in range(1, 6):
            asker.my_count = number
            sleep(0)

    spawn(count)
    assert spawn(wait_property, asker, "my_count", lambda number: number >= 3).result() >= 3
    assert not has_handler(asker, "notify::my-count")


def test_the_predicate_holds_when_wait_property_returns() -> None:
    asker = Asker()

    def flicker() -> None:
        asker.title = "on"
        asker.title = ""
        sleep(0)
        asker.title = "on again"

    spawn(flicker)
    assert wait_property(asker, "title") == "on again" == asker.title


def test_a_predicate_that_raises_raises_here() -> None:
    asker = Asker()
    spawn(setattr, asker, "title", "x")
    with pytest.raises(ZeroDivisionError):
        wait_property(asker, "title", lambda title: title and 1 / 0)
    assert not has_handler(asker, "notify::title")


def test_wait_property_refuses_what_it_cannot_read() -> None:
    with pytest.raises(TypeError, match="does not have property"):
        wait_property(Asker(), "nonsense")
    with pytest.raises(TypeError, match="not readable"):
        wait_property(Asker(), "secret")


def test_wait_property_ends_at_its_timeout_at_dispose_and_at_cancel() -> None:
    asker = Asker()
    with pytest.raises(TimeoutError):
        wait_property(asker, "title", timeout=0)
    cancelled = spawn(wait_property, asker, "title")
    settle()
    assert has_handler(asker, "notify::title")
    cancelled.cancel()
    with pytest.raises(Cancelled):
        cancelled.result()
    assert not has_handler(asker, "notify::title")
    spawn(asker.run_dispose)
    with pytest.raises(GleenletError, match="'notify::title' will not be emitted"):
        wait_property(asker, "title")


# ---- nothing is left ----


def test_no_wait_keeps_its_emitter() -> None:
    class Mine(GObject.Object):
        value = GObject.Property(type=int, default=0)

    for wait in (
        lambda obj: wait_signal(obj, "notify::value", 0),
        lambda obj: wait_property(obj, "value", timeout=0),
    ):
        obj = Mine()
        wrapper = weakref.ref(obj)
        with pytest.raises(TimeoutError):
            wait(obj)
        del obj
        gc.collect()
        assert wrapper() is None


# ---- several signals ----


def test_wait_any_signal_tells_which_one_came_first(store: Gio.ListStore) -> None:
    asker = Asker()
    task = spawn(asker.emit, "ask", 7)
    assert wait_any_signal((store, "items-changed"), (asker, "ask"), (asker, "notify::title")) == (1, (7,))
    task.join()
    assert not has_handler(store, "items-changed")
    assert not has_handler(asker, "ask")
    assert not has_handler(asker, "notify::title")


def test_wait_any_signal_gives_up_and_leaves_nothing(store: Gio.ListStore) -> None:
    asker = Asker()
    with pytest.raises(TimeoutError):
        wait_any_signal((store, "items-changed"), (asker, "ask"), timeout=0)
    task = spawn(wait_any_signal, (store, "items-changed"), (asker, "ask"))
    settle()
    assert has_handler(store, "items-changed")
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()
    assert not has_handler(store, "items-changed")
    assert not has_handler(asker, "ask")


def test_wait_any_signal_answers_emitters() -> None:
    asker, answers = Asker(), list[bool]()
    task = spawn(lambda: answers.append(asker.emit("ask", 1)))
    wait_any_signal((asker, "ask"), returns=True)
    task.join()
    assert answers == [True]


@pytest.mark.parametrize("wait", [wait_any_signal, signals])
def test_pairs_are_pairs_of_an_emitter_and_its_signal(wait: Any, store: Gio.ListStore) -> None:
    with pytest.raises(TypeError, match="one or more pairs"):
        wait()
    with pytest.raises(TypeError, match=r"not .*'items-changed'"):
        wait((store, "items-changed"), "items-changed")
    with pytest.raises(TypeError, match="an object and a signal's name"):
        wait(store)
    with pytest.raises(TypeError, match="no property"):
        wait((store, "items-changed"), (store, "notify::nothing"))
    assert not has_handler(store, "items-changed")


def test_an_unknown_signal_among_several_leaves_nothing_connected(store: Gio.ListStore) -> None:
    with pytest.raises(TypeError, match="unknown"):
        wait_any_signal((store, "items-changed"), (store, "nothing"))
    with pytest.raises(TypeError, match="unknown"):
        with signals((store, "items-changed"), (store, "nothing")):
            pass
    assert not has_handler(store, "items-changed")


def test_signals_of_several_emitters_come_in_order(store: Gio.ListStore) -> None:
    asker = Asker()
    with signals((store, "items-changed"), (asker, "ask")) as emissions:
        asker.emit("ask", 1)
        store.append(GObject.Object())
        asker.emit("ask", 2)
        assert [next(emissions) for _ in range(3)] == [(1, (1,)), (0, (0, 0, 1)), (1, (2,))]
    assert not has_handler(store, "items-changed")
    assert not has_handler(asker, "ask")


def test_one_pair_is_numbered_too(store: Gio.ListStore) -> None:
    with signals((store, "items-changed")) as changes:
        store.append(GObject.Object())
        assert next(changes) == (0, (0, 0, 1))


def test_signals_of_several_emitters_end_with_the_last_of_them() -> None:
    first, second = Asker(), Asker()
    with signals((first, "ask"), (second, "ask")) as emissions:
        second.emit("ask", 1)
        first.run_dispose()
        assert next(emissions) == (1, (1,))
        second.emit("ask", 2)
        second.run_dispose()
        assert list(emissions) == [(1, (2,))]


def test_wait_any_signal_ends_when_nobody_is_left_to_emit() -> None:
    first, second = Asker(), Asker()

    def ends() -> None:
        first.run_dispose()
        sleep(0)
        second.run_dispose()

    task = spawn(ends)
    with pytest.raises(GleenletError, match="disposed"):
        wait_any_signal((first, "ask"), (second, "ask"))
    task.join()


def test_wait_any_signal_goes_on_with_those_that_are_left() -> None:
    first, second = Asker(), Asker()

    def ends() -> None:
        first.run_dispose()
        second.emit("ask", 3)

    task = spawn(ends)
    assert wait_any_signal((first, "ask"), (second, "ask")) == (1, (3,))
    task.join()


def test_a_wait_that_was_spawned_misses_what_comes_before_its_turn(store: Gio.ListStore) -> None:
    missed = spawn(wait_signal, store, "items-changed", timeout=0)
    with signals(store, "items-changed") as changes:
        store.append(GObject.Object())
        with pytest.raises(TimeoutError):
            missed.result()
        assert next(changes) == (0, 0, 1)
