"""gleenlet.gtk: tasks, handlers and dialogs for GTK 3, GTK 4 and libadwaita, whichever the program has chosen."""

from gleenlet.gtk._handler import Handler, debounced, handler
from gleenlet.gtk._lifetimes import OwnedTasks, tasks_of

__all__ = ["Handler", "OwnedTasks", "debounced", "handler", "tasks_of"]
