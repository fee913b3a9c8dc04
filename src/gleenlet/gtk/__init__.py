"""gleenlet.gtk: tasks, handlers and dialogs for GTK 3, GTK 4 and libadwaita, whichever the program has chosen."""

from gleenlet.gtk._busy import busy
from gleenlet.gtk._handler import Handler, debounced, handler
from gleenlet.gtk._lifetimes import OwnedTasks, tasks_of
from gleenlet.gtk._progress import Progress, progress

__all__ = ["Handler", "OwnedTasks", "Progress", "busy", "debounced", "handler", "progress", "tasks_of"]
