"""`green` as signal handler of a GTK 4 button, of Gtk.Template classes and of actions."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any, Literal

import gi
import pytest

gi.require_version("Gtk", "4.0")
from gi.repository import Gio, GLib, GObject, Gtk

from gleenlet import Cancelled, current_task, green, signals, sleep, spawn, wait_signal
from inside import settle

Policy = Literal["parallel", "drop", "queue", "restart"]

# What a button clicked three times while its task runs does, the tasks being let go one by one.
STORIES: dict[Policy, list[str]] = {
    "parallel": ["begin 1", "begin 2", "begin 3", "end 1", "end 2", "end 3"],
    "drop": ["begin 1", "end 1"],
    "queue": ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"],
    "restart": ["begin 1", "cancelled 1", "begin 2", "cancelled 2", "begin 3", "end 3"],
}


class Work:
    """What the handler does: it waits until it is let go, and writes down what happens."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.door = Gio.SimpleAction.new("open", None)
        self.begun = 0

    def __call__(self, *_: Any) -> None:
        self.begun += 1
        number = self.begun
        self.story.append(f"begin {number}")
        try:
            wait_signal(self.door, "activate")
        except Cancelled:
            self.story.append(f"cancelled {number}")
            raise
        self.story.append(f"end {number}")

    def let_go(self) -> None:
        """Open the door until nobody comes any more."""
        before = -1
        while len(self.story) != before:
            before = len(self.story)
            self.door.activate(None)
            settle()


def click_three_times(click: Callable[[], object]) -> None:
    for _ in range(3):
        click()
        settle()


@pytest.mark.usefixtures("display")
@pytest.mark.parametrize("policy", STORIES)
def test_a_button_clicked_again_while_its_task_runs(policy: Policy) -> None:
    work, button = Work(), Gtk.Button()
    button.connect("clicked", green(when_busy=policy)(work))
    click_three_times(lambda: button.emit("clicked"))
    work.let_go()
    assert work.story == STORIES[policy]


@pytest.mark.parametrize("policy", STORIES)
def test_an_action_activated_again_while_its_task_runs(policy: Policy) -> None:
    work, group, action = Work(), Gio.SimpleActionGroup(), Gio.SimpleAction.new("save", None)
    action.connect("activate", green(when_busy=policy)(work))
    group.add_action(action)
    click_three_times(lambda: group.activate_action("save", None))
    work.let_go()
    assert work.story == STORIES[policy]


def test_an_action_entry_with_its_parameter() -> None:
    application = Gio.Application(application_id="org.example.Gleenlet", flags=Gio.ApplicationFlags.NON_UNIQUE)
    action = Gio.SimpleAction.new("open", GLib.VariantType.new("s"))
    got: list[str] = []

    def on_open(action: Gio.SimpleAction, path: GLib.Variant) -> None:
        sleep(0)
        got.append(path.get_string())

    action.connect("activate", green(on_open))
    application.add_action(action)
    assert application.register(None)
    application.activate_action("open", GLib.Variant("s", "a file"))
    assert got == []  # never at once
    settle()
    assert got == ["a file"]


PANEL = """
<interface>
  <template class="GleenletTestPanel" parent="GtkBox">
    <child>
      <object class="GtkButton" id="button">
        <signal name="clicked" handler="on_clicked"/>
      </object>
    </child>
  </template>
</interface>
"""


@Gtk.Template(string=PANEL)
class Panel(Gtk.Box):
    """A template whose handler is a green method."""

    __gtype_name__ = "GleenletTestPanel"

    button: Any = Gtk.Template.Child()

    def __init__(self) -> None:
        super().__init__()
        self.work = Work()

    @Gtk.Template.Callback()
    @green(when_busy="drop")
    def on_clicked(self, button: Gtk.Button) -> None:
        assert button is self.button
        self.work()


@pytest.mark.usefixtures("display")
def test_the_methods_of_two_templates_do_not_count_as_one() -> None:
    one, two = Panel(), Panel()
    click_three_times(lambda: one.button.emit("clicked"))
    click_three_times(lambda: two.button.emit("clicked"))
    assert one.work.story == two.work.story == ["begin 1"]
    one.work.let_go()
    assert one.work.story == ["begin 1", "end 1"]
    one.button.emit("clicked")  # free again
    settle()
    assert one.work.story == ["begin 1", "end 1", "begin 2"]
    assert two.work.story == ["begin 1"]
    one.work.let_go()
    two.work.let_go()


@pytest.mark.usefixtures("display")
@pytest.mark.parametrize("policy", STORIES)
def test_green_methods_keep_no_object_alive(policy: Policy) -> None:
    class Owner:
        @green(when_busy=policy)
        def on_clicked(self, *_: Any) -> None:
            sleep(0)

    owner = Owner()
    owner.on_clicked()
    settle()
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None


@pytest.mark.usefixtures("display")
def test_the_emitter_gets_the_answer_at_once() -> None:
    window = Gtk.Window()
    asked = []

    @green(returns=True)
    def on_close(window: Gtk.Window) -> None:
        sleep(0)
        asked.append(window)
        window.destroy()

    window.connect("close-request", on_close)
    assert window.emit("close-request") is True  # stays, for now
    assert asked == []
    settle()
    assert asked == [window]


@pytest.mark.usefixtures("display")
def test_a_green_handler_may_wait_for_its_own_emitter() -> None:
    button, counts = Gtk.Button(), []

    @green(when_busy="drop")
    def count_clicks(button: Gtk.Button) -> None:
        with signals(button, "clicked") as clicks:
            next(clicks)
            next(clicks)
        counts.append("two more")

    button.connect("clicked", count_clicks)
    click_three_times(lambda: button.emit("clicked"))
    settle()
    assert counts == ["two more"]


def test_a_failing_handler_is_reported_and_the_next_call_runs(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[int] = []

    @green(when_busy="queue")
    def handler(obj: GObject.Object, number: int) -> None:
        calls.append(number)
        sleep(0)
        if number == 1:
            raise ZeroDivisionError("the first")

    obj = GObject.Object()
    for number in (1, 2):
        handler(obj, number)
    settle()
    assert calls == [1, 2]
    assert "ZeroDivisionError: the first" in capsys.readouterr().err


def test_a_queue_goes_on_after_a_cancelled_task() -> None:
    story: list[str] = []
    tasks: list[Any] = []

    @green(when_busy="queue")
    def handler(name: str) -> None:
        tasks.append(current_task())
        story.append(f"begin {name}")
        sleep(60 if name == "a" else 0)
        story.append(f"end {name}")

    handler("a")
    handler("b")
    settle()
    assert story == ["begin a"]
    tasks[0].cancel()
    spawn(sleep, 0).join()
    settle()
    assert story == ["begin a", "begin b", "end b"]
