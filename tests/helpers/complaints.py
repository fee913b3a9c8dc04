"""What GLib's libraries complain of on standard error, without what is GTK's own fault.

G_DEBUG=fatal-warnings would not tell the two apart, nor what was said.
"""

from __future__ import annotations

import re

__all__ = ["complaints", "is_gtks_own"]

COMPLAINT = re.compile(r":(\d+)\): (?:.*-)?(?:WARNING|CRITICAL|ERROR) \*\*: [\d:.]+: (.*)")

# GTK 4's path bar: a file dialog that is closed, or shows another folder, while it still reads the names of the
# folder's parents takes buttons out of a box that they were not in yet (gtk/gtkpathbar.c, gtk_path_bar_set_file_finish;
# seen in 4.18 with GTK alone).
PATH_BAR = (
    "gtk_box_remove: assertion 'GTK_IS_BOX (box)' failed",
    "gtk_box_remove: assertion 'gtk_widget_get_parent (child) == (GtkWidget *)box' failed",
)


def complaints(stderr: str, pid: int | None = None) -> list[str]:
    """The texts of all warnings and worse, of this process alone if it is given: a bus starts others."""
    return [text for by, text in COMPLAINT.findall(stderr) if (pid is None or int(by) == pid) and not is_gtks_own(text)]


def is_gtks_own(line: str) -> bool:
    return line.endswith(PATH_BAR)
