"""The inspector's window itself: it looks, shows and obeys its buttons, in tasks that end with it."""

from __future__ import annotations

import atexit
import math
import os
import time
import weakref
from collections.abc import Callable
from typing import Any

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gtk, Pango

from gleenlet import Task, get_hub, sleep
from gleenlet.debug._neighbours import canceller
from gleenlet.debug._record import TaskRecord
from gleenlet.debug._recording import Recorder, record
from gleenlet.debug._tasks import tasks
from gleenlet.debug._text import format_tasks, quoted
from gleenlet.debug._window.activity import PART, Activity
from gleenlet.debug._window.model import Rows
from gleenlet.debug._window.plots import FRAMES, LATE, Plot, Timeline, Track
from gleenlet.debug._window.rows import COLUMNS, View, cells
from gleenlet.gtk import save_file, tasks_of

__all__ = ["Inspector"]

WIDTHS = dict(zip(COLUMNS, (220, 100, 70, 220, 120, 70, 80, 70, 260), strict=True))
STATES = ("running", "ready", "waiting", "cancelling", "new")
SHARE = 0.02  # of the loop's time that may go into looking
OFTEN = 1.0  # seconds between two looks, at least
TICK = 0.1
LINES = 8


def weak(method: Callable[..., Any]) -> Callable[..., Any]:
    """A widget's handler keeps its object alive, which would keep the widget: neither would ever go."""
    reference = weakref.WeakMethod(method)

    def call(*args: Any) -> Any:
        found = reference()
        return None if found is None else found(*args)

    return call


class Inspector(Gtk.Window):
    """The window that `inspector` opens."""

    __gtype_name__ = "GleenletInspector"

    def __init__(self) -> None:
        super().__init__(title="gleenlet", default_width=1180, default_height=760)
        self.view = View()
        self.records: list[TaskRecord] = []
        self.own: weakref.WeakSet[Task[Any]] = weakref.WeakSet()
        self.own_numbers: set[int] = set()
        self.activity = Activity()
        self.recorder = record(10, 16)
        self.recording: Recorder | None = None
        self.model = Rows()
        self.selection = Gtk.SingleSelection(model=self.model, autoselect=False, can_unselect=True)
        self.chosen: int | None = None
        self.bound: dict[Any, list[Gtk.Label]] = {}
        self.count = Gtk.Label(xalign=0, css_classes=["dim-label"])
        self.build()
        self.own_frames: dict[int, int] = {}
        self.connect("close-request", weak(self.closed))
        self.connect("realize", weak(self.realized))
        # The list must let go of its rows while Python is there to say which.
        self.at_exit = weak(self.let_go)
        atexit.register(self.at_exit)
        self.start(self.look)
        self.start(self.feel)

    def start(self, func: Callable[..., object], *args: Any) -> None:
        self.own.add(tasks_of(self).spawn(func, *args, name=f"inspector {func.__name__}"))

    def let_go(self) -> None:
        self.list.set_model(None)

    def closed(self, _window: object) -> bool:
        atexit.unregister(self.at_exit)
        self.let_go()
        self.recorder.stop()
        if self.recording is not None:
            self.recording.stop()
        return False

    def realized(self, _window: object) -> None:
        clock = self.get_frame_clock()
        if clock is not None:
            clock.connect("after-paint", weak(self.drew))

    def drew(self, _clock: object) -> None:
        part = int(time.monotonic() / PART)
        self.own_frames[part] = self.own_frames.get(part, 0) + 1

    # ---- what it is made of ----

    def build(self) -> None:
        bar = Gtk.HeaderBar()
        search = Gtk.SearchEntry(placeholder_text="Filter")
        search.connect("search-changed", weak(self.filtered))
        bar.pack_start(search)
        states = Gtk.DropDown.new_from_strings(["all states", *STATES])
        states.connect("notify::selected", weak(self.state_chosen))
        bar.pack_start(states)
        self.record_button = Gtk.ToggleButton(
            label="Record", tooltip_text="Write what happens from now on into a trace"
        )
        self.record_button.connect("toggled", weak(self.record_toggled))
        self.dump_button = self.button("Dump", "Save the tree (.txt), or the last ten seconds as a trace", self.dump)
        self.cancel_button = self.button("Cancel", "Cancel the task that is selected", self.cancel)
        for button in (self.record_button, self.dump_button, self.cancel_button):
            bar.pack_end(button)
        self.set_titlebar(bar)
        self.timeline = Timeline(LINES)
        self.latency = Plot("loop latency", "ms", 20, LATE)
        self.frame_rate = Plot("frame rate", "Hz", 6, FRAMES)
        plots = Gtk.Box(spacing=12, homogeneous=True)
        plots.append(self.latency)
        plots.append(self.frame_rate)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        for part in (self.count, self.table(), self.timeline, plots):
            part.set_margin_start(8)
            part.set_margin_end(8)
            part.set_margin_bottom(4)
            box.append(part)
        self.set_child(box)

    def button(self, label: str, tip: str, func: Any) -> Gtk.Button:
        button = Gtk.Button(label=label, tooltip_text=tip)
        button.connect("clicked", weak(func))
        return button

    def table(self) -> Gtk.Widget:
        """A head of buttons that sort, over a list."""
        head = Gtk.Box(spacing=6)
        for name in COLUMNS:
            button = Gtk.Button(has_frame=False, child=Gtk.Label(label=name, xalign=0), css_classes=["flat"])
            button.set_size_request(WIDTHS[name], -1)
            button.connect("clicked", weak(self.sorted_by), name)
            head.append(button)
        factory = Gtk.SignalListItemFactory()
        factory.connect("setup", weak(self.set_up))
        factory.connect("bind", weak(self.bind))
        factory.connect("unbind", weak(self.unbind))
        self.list = Gtk.ListView(model=self.selection, factory=factory, vexpand=True)
        self.list.connect("activate", weak(self.fold))
        self.selection.connect("notify::selected", weak(self.selected))
        inner = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        inner.append(head)
        rows = Gtk.ScrolledWindow(child=self.list, vexpand=True, hscrollbar_policy=Gtk.PolicyType.NEVER)
        inner.append(rows)
        return Gtk.ScrolledWindow(child=inner, vexpand=True, vscrollbar_policy=Gtk.PolicyType.NEVER)

    def set_up(self, _factory: object, item: Any) -> None:
        box = Gtk.Box(spacing=6)
        for name in COLUMNS:
            label = Gtk.Label(xalign=0, ellipsize=Pango.EllipsizeMode.END, width_chars=1, max_width_chars=1)
            label.set_size_request(WIDTHS[name], -1)
            box.append(label)
        item.set_child(box)

    def bind(self, _factory: object, item: Any) -> None:
        labels = []
        child = item.get_child().get_first_child()
        while child is not None:
            labels.append(child)
            child = child.get_next_sibling()
        self.bound[item] = labels
        self.write(item, labels, time.monotonic())

    def unbind(self, _factory: object, item: Any) -> None:
        self.bound.pop(item, None)

    def write(self, item: Any, labels: list[Gtk.Label], now: float) -> None:
        place = item.get_position()
        if place < len(self.model.rows):
            for label, text in zip(labels, cells(self.model.rows[place], now), strict=True):
                text = quoted(text)
                if label.get_label() != text:
                    label.set_label(text)

    # ---- what it shows ----

    def look(self) -> None:
        while True:
            begin = time.thread_time()  # no clock: where others have the processor, a look takes long and costs little
            if self.get_mapped():
                self.look_once()
            sleep(max(OFTEN, (time.thread_time() - begin) / SHARE))

    def look_once(self) -> None:
        own = set(self.own)
        found = []
        for one in tasks():
            if one.task is None or one.task() not in own:
                found.append(one)
            elif one.number is not None:
                self.own_numbers.add(one.number)
        self.records = found
        self.activity.skip_to(self.recorder.tape.count)
        self.activity.add(self.recorder.events(self.activity.next))
        self.show_rows()
        self.show_activity()

    def show_rows(self) -> None:
        rows = self.view.rows(self.records)
        chosen = self.chosen
        self.model.show(rows)
        now = time.monotonic()
        for item, labels in list(self.bound.items()):
            self.write(item, labels, now)
        place = next((place for place, row in enumerate(rows) if row.record.id == chosen), None)
        self.selection.set_selected(Gtk.INVALID_LIST_POSITION if place is None else place)
        self.chosen = chosen if place is not None else None
        self.cancel_button.set_sensitive(place is not None)
        missed = f", {self.activity.missed} events not shown" if self.activity.missed else ""
        self.count.set_label(f"{len(rows)} of {len(self.records)} tasks{missed}")

    def show_activity(self) -> None:
        now, activity = time.monotonic(), self.activity
        names = self.recorder.names()
        busiest = activity.busiest(now, LINES, self.own_numbers)
        self.timeline.update(
            [Track(quoted(names.get(task, f"task {task}")), activity.ran[task]) for task in busiest], now
        )
        last = int(now / PART)
        late = {part: seconds * 1e3 for part, seconds in activity.late.items()}
        self.latency.update(late, max([late.get(last - back, 0.0) for back in range(10)]), now)
        self.own_frames = {part: number for part, number in self.own_frames.items() if part in activity.frames}
        frames = {part: max(n - self.own_frames.get(part, 0), 0) for part, n in activity.frames.items()}
        self.frame_rate.update(frames, sum(frames.get(last - back, 0) for back in range(1, 11)), now)

    def feel(self) -> None:
        """The loop is late by as much as a timer is."""
        hub = get_hub()
        while True:
            due = hub.time() + TICK
            sleep(TICK)
            now = time.monotonic()
            self.activity.was_late(now, max(now - due, 0.0))

    # ---- what the user does ----

    def filtered(self, entry: Gtk.SearchEntry) -> None:
        self.view.needle = entry.get_text()
        self.show_rows()

    def state_chosen(self, states: Gtk.DropDown, _property: object) -> None:
        place = states.get_selected()
        self.view.state = STATES[place - 1] if place else None
        self.show_rows()

    def sorted_by(self, _button: object, name: str) -> None:
        """Once: by it; again: the other way round; a third time: as they were made."""
        if self.view.key != name:
            self.view.key, self.view.down = name, False
        elif not self.view.down:
            self.view.down = True
        else:
            self.view.key, self.view.down = None, False
        self.show_rows()

    def fold(self, _list: object, place: int) -> None:
        row = self.model.rows[place]
        if row.folded is not None:
            self.view.folded ^= {row.record.id}
            self.show_rows()

    def selected(self, selection: Gtk.SingleSelection, _property: object) -> None:
        place = selection.get_selected()
        self.chosen = self.model.rows[place].record.id if place < len(self.model.rows) else None
        self.cancel_button.set_sensitive(self.chosen is not None)

    def cancel(self, _button: object) -> None:
        for one in self.records:
            task = one.task() if one.id == self.chosen and one.task is not None else None
            if task is not None:
                canceller(task)()

    def dump(self, _button: object) -> None:
        self.start(self.dump_into_file)

    def dump_into_file(self) -> None:
        text = format_tasks(self.records, stacks=True)
        file = save_file(self, title="Save what the tasks do", initial_name="tasks.txt")
        if file is not None:
            self.save(str(file.get_path()), text)

    def save(self, path: str, text: str) -> None:
        if path.endswith(".txt"):
            with open(path, "w") as opened:
                opened.write(text)
        else:
            self.recorder.dump(path)

    def record_toggled(self, button: Gtk.ToggleButton) -> None:
        self.start(self.start_or_save, button)

    def start_or_save(self, button: Gtk.ToggleButton) -> None:
        if button.get_active():
            self.recording = record(math.inf, 256)
            button.set_label("Recording")
            return
        recording, self.recording = self.recording, None
        button.set_label("Record")
        if recording is None:
            return
        recording.stop()
        file = save_file(self, title="Save the trace", initial_name=f"{os.getpid()}.pftrace")
        if file is not None:
            recording.dump(str(file.get_path()))
