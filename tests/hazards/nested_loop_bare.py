"""A modal dialog runs a nested loop while greenlets go on. Nobody blocks in a handler.

The greenlets were first started from a shallower stack position than the nested loop has. The two overlap:
to switch to one of them moves the dialog's frames away, the emission that opened it among them.
"""

from gi.repository import GLib, GObject
from greenlet import getcurrent, greenlet

loop = GLib.MainLoop()
dispatchers = [getcurrent()]  # the greenlet of the innermost running loop is the last


class Document(GObject.Object):
    words = GObject.Property(type=int, default=0)


class Dialog(GObject.Object):
    @GObject.Signal(arg_types=(int,))
    def open(self, inner_dialogs: int) -> None:
        pass


def sleep(milliseconds: int) -> None:
    me = getcurrent()

    def resume() -> bool:
        dispatchers.append(getcurrent())
        me.switch()
        dispatchers.pop()
        return False

    GLib.timeout_add(milliseconds, resume)
    dispatchers[-1].switch()


def edit(document: Document, depth: int) -> int:
    """Emit notify::words three times, `depth` C frames of max() further down."""
    if depth:
        return max([depth], key=lambda _: edit(document, depth - 1))
    for words in (3, 1, 2):
        document.words = words
    return 0


def worker(k: int) -> None:
    i = 0
    while True:
        i += 1
        edit(documents[(k * 7 + i) % len(documents)], depth=20)
        sleep(1)


def on_open(dialog: Dialog, inner_dialogs: int) -> None:
    modal = GLib.MainLoop()
    GLib.timeout_add(30, modal.quit)
    if inner_dialogs:
        GLib.timeout_add(5, lambda: dialog.emit("open", inner_dialogs - 1))
    modal.run()


def open_dialogs() -> bool:
    dialog.emit("open", 3)
    return True


dialog = Dialog()
dialog.connect("open", on_open)
documents = [Document() for _ in range(10)]
for document in documents:
    document.connect("notify::words", lambda *_: None)
workers = [greenlet(worker) for _ in range(20)]
for k, w in enumerate(workers):
    GLib.idle_add(lambda w=w, k=k: (w.switch(k), False)[1])
GLib.timeout_add(100, open_dialogs)
GLib.timeout_add(3000, loop.quit)
loop.run()
print("alive")
