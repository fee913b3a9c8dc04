"""The same dialogs and workers on tasks, which are born below any frame a loop will use.

usage: nested_loop.py [seconds [tasks]]
"""

import sys

from gi.repository import GLib, GObject

import gleenlet

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
count = int(sys.argv[2]) if len(sys.argv) > 2 else 20
loop = GLib.MainLoop()
steps = [0] * count
open_now = deepest = dialogs = steps_in_dialogs = 0


class Document(GObject.Object):
    words = GObject.Property(type=int, default=0)


class Dialog(GObject.Object):
    @GObject.Signal(arg_types=(int,))
    def open(self, inner_dialogs: int) -> None:
        pass


def edit(document: Document, depth: int) -> int:
    """Emit notify::words three times, `depth` C frames of max() further down."""
    if depth:
        return max([depth], key=lambda _: edit(document, depth - 1))
    for words in (3, 1, 2):
        document.words = words
    return 0


def worker(k: int) -> None:
    global steps_in_dialogs
    while True:
        steps[k] += 1
        steps_in_dialogs += bool(open_now)
        edit(documents[(k * 7 + steps[k]) % len(documents)], depth=20)
        gleenlet.sleep(0.001)


def on_open(dialog: Dialog, inner_dialogs: int) -> None:
    global open_now, deepest, dialogs
    open_now += 1
    dialogs += 1
    deepest = max(deepest, open_now)
    modal = GLib.MainLoop()
    if inner_dialogs:
        GLib.timeout_add(5, lambda: dialog.emit("open", inner_dialogs - 1))
    GLib.timeout_add(30, modal.quit)
    modal.run()
    open_now -= 1


def open_dialogs() -> bool:
    dialog.emit("open", 3)
    return True


def stop() -> bool:
    if enough := dialogs >= 8 and min(steps) >= 5:  # on a busy machine it takes longer
        loop.quit()
    return not enough


dialog = Dialog()
dialog.connect("open", on_open)
documents = [Document() for _ in range(10)]
for document in documents:
    document.connect("notify::words", lambda *_: None)
tasks = [gleenlet.spawn(worker, k) for k in range(count)]
GLib.timeout_add(100, open_dialogs)
GLib.timeout_add(round(seconds * 1000), stop)
loop.run()
gleenlet.shutdown()
print(f"alive, {dialogs} dialogs, {deepest} deep; ", end="")
print(f"{sum(steps)} steps, {steps_in_dialogs} of them under a dialog, {min(steps)} or more a task")
