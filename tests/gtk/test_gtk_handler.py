"""Handlers that wait: whose they are, what a call does while one runs, and what they leave behind: nothing."""

from __future__ import annotations

import gc
import weakref
from typing import Any, Literal

import gi
import pytest

gi.require_version("Gtk", "4.0")
from gi.repository import Gio, GLib, Gtk

from gleenlet import Cancelled, Event, current_task, sleep, spawn
from gleenlet.gtk import _ends, _lifetimes, debounced, handler, tasks_of
from inside import FOREVER, settle

pytestmark = pytest.mark.usefixtures("display", "no_task_left")

Policy = Literal["parallel", "drop", "queue", "restart"]

# What a button clicked three times while its task runs does, the tasks being let go one by one.
STORIES: dict[Policy, list[str]] = {
    "parallel": ["begin 1", "begin 2", "begin 3", "end 1", "end 2", "end 3"],
    "drop": ["begin 1", "end 1"],
    "queue": ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"],
    "restart": ["begin 1", "cancelled 1", "begin 2", "cancelled 2", "begin 3", "end 3"],
}


class Work:
    """What a handler does: it waits until it is let go, and writes down what happens."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.doors: list[Event] = []
        self.begun = 0

    def __call__(self, *_: Any) -> None:
        self.begun += 1
        number, door = self.begun, Event()
        self.doors.append(door)
        self.story.append(f"begin {number}")
        try:
            door.wait()
        except Cancelled:
            self.story.append(f"cancelled {number}")
            raise
        self.story.append(f"end {number}")

    def let_go(self) -> None:
        while self.doors:
            self.doors.pop(0).set()
            settle()


def click_three_times(button: Gtk.Button) -> None:
    for _ in range(3):
        button.emit("clicked")
        settle()


def nothing_watched() -> bool:
    return not _lifetimes.lives and not _ends.Shared.all


def is_gone(ref: weakref.ref[Any]) -> bool:
    settle()
    gc.collect()
    return ref() is None


class Window(Gtk.Window):
    """Start and Stop: the methods are connected as everybody does, which keeps no window alive."""

    def __init__(self) -> None:
        super().__init__()
        self.start = Gtk.Button()
        self.stop = Gtk.Button()
        box = Gtk.Box()
        box.append(self.start)
        box.append(self.stop)
        self.set_child(box)
        self.work = Work()
        self.start.connect("clicked", self.on_start)
        self.stop.connect("clicked", self.on_stop)

    @handler(when_busy="drop")
    def on_start(self, button: Gtk.Button) -> None:
        assert button is self.start
        self.work()

    @handler
    def on_stop(self, _button: Gtk.Button) -> None:
        self.on_start.cancel()


@pytest.mark.parametrize("policy", STORIES)
def test_a_button_clicked_again_while_its_handler_runs(policy: Policy) -> None:
    work, button = Work(), Gtk.Button()
    button.connect("clicked", handler(when_busy=policy)(work))
    click_three_times(button)
    work.let_go()
    assert work.story == STORIES[policy]
    assert nothing_watched()


def test_the_handlers_of_two_windows_count_apart() -> None:
    one, other = Window(), Window()
    click_three_times(one.start)
    assert (one.on_start.running, other.on_start.running, Window.on_start.running) == (True, False, True)
    click_three_times(other.start)
    assert one.work.story == other.work.story == ["begin 1"]
    one.on_start.cancel()
    settle()
    assert (one.on_start.running, other.on_start.running) == (False, True)
    for window in (one, other):
        window.destroy()
    settle()


def test_a_stop_button_cancels_what_its_handler_runs() -> None:
    window = Window()
    assert window.on_start.cancel() is False
    window.start.emit("clicked")
    assert window.on_start.running  # not begun yet, but called
    settle()
    window.stop.emit("clicked")
    settle()
    assert window.work.story == ["begin 1", "cancelled 1"]
    assert not window.on_start.running
    window.start.emit("clicked")
    settle()
    assert window.on_start.running
    window.destroy()
    settle()


def test_cancel_reaches_what_waits_for_its_turn_and_every_object() -> None:
    work = Work()
    queued = handler(when_busy="queue")(work)
    button = Gtk.Button()
    button.connect("clicked", queued)
    click_three_times(button)
    assert queued.cancel() is True
    settle()
    assert work.story == ["begin 1", "cancelled 1"]
    assert not queued.running


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "never shown"])
def test_a_method_ends_with_its_window_and_does_not_keep_it_alive(shown: bool) -> None:
    window = Window()
    if shown:
        window.present()
    window.start.emit("clicked")
    settle()
    work, ref = window.work, weakref.ref(window)
    window.destroy()
    del window
    settle()
    assert work.story == ["begin 1", "cancelled 1"]
    assert is_gone(ref)
    assert nothing_watched()


def test_a_function_ends_with_the_window_of_the_emitter() -> None:
    work, button = Work(), Gtk.Button()
    window = Gtk.Window(child=button)
    button.connect("clicked", handler(work))
    button.emit("clicked")
    settle()
    window.destroy()
    settle()
    assert work.story == ["begin 1", "cancelled 1"]
    button.emit("clicked")  # a closed window's button
    settle()
    assert work.begun == 1
    ref = weakref.ref(window)
    del window, button
    assert is_gone(ref)


def test_a_method_of_a_window_that_is_gone_does_nothing() -> None:
    class Asks(Gtk.Window):
        @handler(returns=True)
        def on_activate(self, *_: object) -> None:
            raise AssertionError

    asks = Asks()
    call = asks.on_activate
    assert call.__name__ == "on_activate"
    asks.destroy()
    del asks
    gc.collect()
    assert call() is True
    assert not call.running


TEMPLATE = """
<interface>
  <template class="{name}" parent="GtkWindow">
    <child>
      <object class="GtkButton" id="button">
        <signal name="clicked" handler="on_clicked"/>
      </object>
    </child>
  </template>
</interface>
"""


@Gtk.Template(string=TEMPLATE.format(name="GleenletHandlerBelow"))
class Below(Gtk.Window):
    """The callback above the handler."""

    __gtype_name__ = "GleenletHandlerBelow"
    button: Any = Gtk.Template.Child()

    def __init__(self) -> None:
        super().__init__()
        self.work = Work()

    @Gtk.Template.Callback()
    @handler(when_busy="drop")
    def on_clicked(self, button: Gtk.Button) -> None:
        assert button is self.button
        self.work()


@Gtk.Template(string=TEMPLATE.format(name="GleenletHandlerAbove"))
class Above(Gtk.Window):
    """The other way round."""

    __gtype_name__ = "GleenletHandlerAbove"
    button: Any = Gtk.Template.Child()

    def __init__(self) -> None:
        super().__init__()
        self.work = Work()

    @handler(when_busy="drop")
    @Gtk.Template.Callback("on_clicked")
    def clicked(self, button: Gtk.Button) -> None:
        assert button is self.button
        self.work()


@pytest.mark.parametrize("template", [Below, Above])
def test_a_template_callback_in_either_order_keeps_no_window_alive(template: type[Below | Above]) -> None:
    window = template()
    click_three_times(window.button)
    work, ref = window.work, weakref.ref(window)
    assert work.story == ["begin 1"]
    window.destroy()
    del window
    settle()
    assert work.story == ["begin 1", "cancelled 1"]
    assert is_gone(ref)
    assert nothing_watched()


def test_a_method_of_any_other_object_belongs_to_the_emitters_window_and_keeps_its_object() -> None:
    work = Work()

    class Controller:
        @handler
        def on_clicked(self, _button: Gtk.Button) -> None:
            work()

    button = Gtk.Button()
    window = Gtk.Window(child=button)
    button.connect("clicked", Controller().on_clicked)
    gc.collect()
    button.emit("clicked")
    settle()
    assert work.story == ["begin 1"]
    window.destroy()
    settle()
    assert work.story == ["begin 1", "cancelled 1"]


def test_an_event_controllers_handler_belongs_to_its_widget() -> None:
    work, button = Work(), Gtk.Button()
    window, click = Gtk.Window(child=button), Gtk.GestureClick()
    button.add_controller(click)
    click.connect("pressed", handler(work))
    click.emit("pressed", 1, 0.0, 0.0)
    settle()
    window.destroy()
    settle()
    assert work.story == ["begin 1", "cancelled 1"]


def test_a_native_dialogs_handler_belongs_to_its_parent() -> None:
    work, window = Work(), Gtk.Window()
    dialog = Gtk.FileChooserNative(transient_for=window)
    dialog.connect("response", handler(work))
    dialog.emit("response", 0)
    settle()
    window.destroy()
    settle()
    assert work.story == ["begin 1", "cancelled 1"]


def test_the_emitter_gets_the_answer_at_once_and_the_window_may_close_later() -> None:
    class Editor(Gtk.Window):
        saved: Event

        @handler(when_busy="drop", returns=True)
        def on_close_request(self) -> None:
            self.saved.wait()  # "Save changes?"
            self.destroy()

    editor = Editor()
    editor.saved = Event()
    editor.connect("close-request", lambda editor: editor.on_close_request())
    editor.present()
    editor.close()
    editor.close()
    settle()
    assert editor in list(Gtk.Window.get_toplevels())
    editor.saved.set()
    settle()
    assert editor not in list(Gtk.Window.get_toplevels())
    ref = weakref.ref(editor)
    del editor
    assert is_gone(ref)


def test_handler_makes_a_virtual_function_green_for_each_window() -> None:
    class Editor(Gtk.Window):
        work: Work

        @handler(when_busy="drop", returns=True)
        def do_close_request(self) -> None:
            self.work()

    one, other = Editor(), Editor()
    for editor in (one, other):
        editor.work = Work()
        editor.close()
        editor.present()
        editor.close()
        editor.close()
        settle()
        assert editor.work.story == ["begin 1"]
        assert editor.do_close_request.running
        editor.destroy()
        settle()
        assert editor.work.story == ["begin 1", "cancelled 1"]


def test_a_handler_is_disconnected_by_its_function() -> None:
    window = Window()
    assert window.on_start == window.on_start
    assert hash(window.on_start) == hash(window.on_start)
    assert window.on_start != window.on_stop
    assert window.on_start != print
    window.start.disconnect_by_func(window.on_start)
    window.start.emit("clicked")
    settle()
    assert window.work.begun == 0
    window.destroy()


# ---- failures ----


def test_on_error_gets_the_object_and_the_failure_which_is_not_reported(capsys: pytest.CaptureFixture[str]) -> None:
    got: list[object] = []

    class Asks(Gtk.Window):
        def failed(self, error: Exception) -> None:
            sleep(0)  # it may wait
            got.extend([self, type(error)])

        @handler(on_error=failed)
        def on_clicked(self, *_: object) -> None:
            sleep(0)
            raise ZeroDivisionError

    window = Asks()
    window.on_clicked()
    settle()
    assert got == [window, ZeroDivisionError]
    assert capsys.readouterr().err == ""
    got.clear()
    window.on_clicked()
    window.destroy()
    settle()
    assert got == []  # a cancellation is no failure


def test_a_failure_is_reported_and_the_next_call_runs(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[int] = []

    @handler(when_busy="queue")
    def on_call(number: int) -> None:
        calls.append(number)
        sleep(0)
        if number == 1:
            raise ZeroDivisionError("the first")

    on_call(1)
    on_call(2)
    settle()
    assert calls == [1, 2]
    assert capsys.readouterr().err.count("ZeroDivisionError: the first") == 1


async def coroutine() -> None: ...


def do_startup(_app: Gio.Application) -> None: ...


def test_bad_input_is_refused_at_once() -> None:
    wrong: Any = "sometimes"
    with pytest.raises(ValueError, match='must be "parallel"'):
        handler(when_busy=wrong)
    with pytest.raises(TypeError, match="needs a function, not str"):
        handler(wrong)
    with pytest.raises(TypeError, match="needs a function, not int"):
        handler(when_busy="drop")(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="write @classmethod above"):
        handler(classmethod(print))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="is a coroutine function"):
        debounced(1)(coroutine)
    with pytest.raises(TypeError, match="do_startup has to run at once"):
        handler(do_startup)
    with pytest.raises(TypeError, match="on_error must be a function"):
        handler(on_error=wrong)
    for seconds in (-1, float("nan")):
        with pytest.raises(ValueError, match="seconds must be 0 or more"):
            debounced(seconds)
    with pytest.raises(TypeError, match="seconds must be a number of seconds, not str"):
        debounced("1")  # type: ignore[arg-type]


# ---- applications ----


def application() -> Gtk.Application:
    flags = Gio.ApplicationFlags.NON_UNIQUE | Gio.ApplicationFlags.HANDLES_OPEN
    return Gtk.Application(application_id="org.example.Handler", flags=flags)


@pytest.mark.parametrize("how", ["connected", "virtual"])
def test_activate_may_wait_before_the_first_window(how: str) -> None:
    story: list[str] = []

    class App(Gtk.Application):
        @handler
        def do_activate(self) -> None:
            self.begin()

        def begin(self) -> None:
            sleep(0.01)
            window = Gtk.ApplicationWindow(application=self)
            window.present()
            story.append("window")
            sleep(0)
            window.close()

    if how == "virtual":
        App(application_id="org.example.Handler", flags=Gio.ApplicationFlags.NON_UNIQUE).run(None)
    else:
        app = application()
        app.connect("activate", handler(App.begin))
        app.run(None)
    assert story == ["window"]
    assert nothing_watched()


def test_open_holds_the_application_and_an_action_does_not() -> None:
    story: list[str] = []

    @handler
    def on_open(app: Gtk.Application, files: list[Gio.File], _count: int, _hint: str) -> None:
        sleep(0.01)
        story.append(f"open {files[0].get_basename()}")
        app.activate_action("save", None)
        sleep(0)

    @handler
    def on_save(_action: Gio.SimpleAction, _parameter: None) -> None:
        story.append("begin save")
        try:
            sleep(FOREVER)
        finally:
            sleep(0)
            story.append("end save")

    app = application()
    app.connect("open", on_open)
    action = Gio.SimpleAction.new("save", None)
    action.connect("activate", on_save)
    app.add_action(action)
    app.run(["program", "/a/file"])
    assert story == ["open file", "begin save", "end save"]
    assert nothing_watched()


def test_a_command_line_holds_the_application() -> None:
    story: list[object] = []

    @handler(returns=0)
    def on_command_line(_app: Gtk.Application, line: Gio.ApplicationCommandLine) -> None:
        sleep(0.01)
        story.append(line.get_arguments())

    app = Gtk.Application(flags=Gio.ApplicationFlags.HANDLES_COMMAND_LINE | Gio.ApplicationFlags.NON_UNIQUE)
    app.connect("command-line", on_command_line)
    app.run(["program", "-v"])
    assert story == [["program", "-v"]]
    assert nothing_watched()


def test_an_action_without_an_application_runs_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gio.Application, "get_default", lambda: None)
    work = Work()
    action = Gio.SimpleAction.new("save", GLib.VariantType.new("s"))
    action.connect("activate", handler(work))
    action.activate(GLib.Variant("s", "file"))
    settle()
    work.let_go()
    assert work.story == ["begin 1", "end 1"]


# ---- debounced ----


def test_debounced_runs_with_the_last_arguments_when_it_was_quiet_for_so_long() -> None:
    found: list[str] = []

    class Search(Gtk.Window):
        @debounced(0.01)
        def on_changed(self, word: str) -> None:
            found.append(f"begin {word}")
            sleep(FOREVER if word == "slow" else 0)
            found.append(f"end {word}")

    window = Search()
    for word in ("f", "fa", "fast"):
        window.on_changed(word)
        spawn(sleep, 0).join()
    assert found == []
    assert window.on_changed.running

    def wait_for(entry: str) -> None:
        while entry not in found:
            spawn(sleep, 0.001).join()

    wait_for("end fast")
    assert found == ["begin fast", "end fast"]
    window.on_changed("slow")
    wait_for("begin slow")
    window.on_changed("last")  # cancels what runs
    wait_for("end last")
    assert found == ["begin fast", "end fast", "begin slow", "begin last", "end last"]
    window.on_changed("never")
    window.destroy()
    settle()
    assert not window.on_changed.running
    assert nothing_watched()


def test_debounced_with_no_time_runs_soon() -> None:
    calls: list[int] = []
    debounced(0)(calls.append)(1)
    settle()
    assert calls == [1]


def test_a_task_of_a_handler_is_named_after_it() -> None:
    names: list[str] = []

    @handler
    def on_clicked(*_: object) -> None:
        task = current_task()
        assert task is not None
        names.append(task.name)

    on_clicked()
    settle()
    assert names == ["on_clicked"]
    assert on_clicked.__name__ == "on_clicked"  # type: ignore[attr-defined]


def test_a_window_that_owns_tasks_and_handlers_as_attributes_is_gone_when_it_is_closed() -> None:
    class Holder(Gtk.Window):
        def __init__(self) -> None:
            super().__init__()
            self.tasks = tasks_of(self)
            self.bound = self.on_x
            self.task = self.tasks.spawn(self.wait)

        def wait(self) -> None:
            sleep(FOREVER)

        @handler
        def on_x(self) -> None:
            sleep(FOREVER)

    holder = Holder()
    holder.bound()
    settle()
    ref: weakref.ref[Any] = weakref.ref(holder)
    holder.destroy()
    del holder
    assert is_gone(ref)
