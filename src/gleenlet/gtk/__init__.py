"""gleenlet.gtk: tasks, handlers and dialogs for GTK 3, GTK 4 and libadwaita, whichever the program has chosen."""

__all__: list[str] = []
