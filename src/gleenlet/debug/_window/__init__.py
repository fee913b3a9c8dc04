"""The inspector's window: rows (what the list shows), model, activity (the last ten seconds), plots, window."""
