"""All kinds of operation: imported for what its files add to `program.KINDS`."""

from tests.soak.chaos import endings, glib, greenlets, locks, neighbours, tasks, threads

__all__ = ["endings", "glib", "greenlets", "locks", "neighbours", "tasks", "threads"]
