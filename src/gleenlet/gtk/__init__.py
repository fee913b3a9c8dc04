"""gleenlet.gtk: tasks, handlers and dialogs for GTK 3, GTK 4 and libadwaita, whichever the program has chosen."""

from gleenlet._core import publish as _publish
from gleenlet.gtk._ask import ask, tell
from gleenlet.gtk._busy import busy
from gleenlet.gtk._dialogs import run_dialog
from gleenlet.gtk._files import open_file, open_files, save_file, select_folder
from gleenlet.gtk._frames import animate, frame, frames
from gleenlet.gtk._handler import Handler, debounced, handler
from gleenlet.gtk._lifetimes import OwnedTasks, tasks_of
from gleenlet.gtk._picks import pick_color, pick_font
from gleenlet.gtk._progress import Progress, progress
from gleenlet.gtk._show_errors import inside as inside  # for testing, no public name
from gleenlet.gtk._show_errors import show_errors

__all__ = [
    "Handler",
    "OwnedTasks",
    "Progress",
    "animate",
    "ask",
    "busy",
    "debounced",
    "frame",
    "frames",
    "handler",
    "open_file",
    "open_files",
    "pick_color",
    "pick_font",
    "progress",
    "run_dialog",
    "save_file",
    "select_folder",
    "show_errors",
    "tasks_of",
    "tell",
]

_publish(globals())
