"""Choosing files: `open_file`, `open_files`, `save_file`, `select_folder`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gi.repository import Gio

from gleenlet.gtk._dialogs import answer, choose
from gleenlet.gtk._late_errors import drop_late_errors
from gleenlet.gtk._parents import check_text, is_gtk4, need_gtk, parent_window

__all__ = ["open_file", "open_files", "save_file", "select_folder"]

Filters = Mapping[str, Sequence[str]] | Sequence[Any]
Folder = Gio.File | str | os.PathLike[str]


def open_file(
    parent: Any,
    *,
    title: str | None = None,
    filters: Filters = (),
    initial_folder: Folder | None = None,
    accept_label: str | None = None,
) -> Gio.File | None:
    """Have the user choose a file to open; None if the dialog was dismissed.

    Args:
        parent: the window, or a widget in it; None for none. If it is destroyed meanwhile the result is None.
        title: of the dialog; the toolkit's own if left out.
        filters: what to show: patterns or MIME types by name, `{"Pictures": ["*.svg", "image/png"]}`, or
            `Gtk.FileFilter` objects.
        initial_folder: a `Gio.File` or a path.
        accept_label: of the button that accepts.

    Raises:
        GleenletError: `parent` was closed, or is in no window.
        GLib.Error: there is no file chooser, or it failed.
        Cancelled: the task was cancelled; the dialog is closed.
        UnsafeSwitchError: a GLib callback is on the stack here: connect with `green` or `handler`.

    Thread: the one that runs GTK; its other tasks go on.

    It is a `Gtk.FileDialog`, or a `Gtk.FileChooserNative` before GTK 4.10.

    >>> file = open_file(window, filters={"Text": ["*.txt", "text/plain"]})  # doctest: +SKIP
    """
    files = show(Wish("open", parent_window(parent), title, filters, initial_folder, None, accept_label))
    return files[0] if files else None


def open_files(
    parent: Any,
    *,
    title: str | None = None,
    filters: Filters = (),
    initial_folder: Folder | None = None,
    accept_label: str | None = None,
) -> list[Gio.File] | None:
    """Have the user choose files to open, one or more; None if the dialog was dismissed. As `open_file`.

    >>> for file in open_files(window, title="Add pictures") or []:  # doctest: +SKIP
    ...     add(file)
    """
    return show(Wish("open_multiple", parent_window(parent), title, filters, initial_folder, None, accept_label))


def save_file(
    parent: Any,
    *,
    title: str | None = None,
    filters: Filters = (),
    initial_folder: Folder | None = None,
    initial_name: str | None = None,
    accept_label: str | None = None,
) -> Gio.File | None:
    """Have the user choose where to save; None if the dialog was dismissed. As `open_file`.

    Args:
        initial_name: what the file is called unless the user says otherwise.

    The dialog asks by itself before a file that exists is chosen.

    >>> file = save_file(window, initial_name="untitled.txt")  # doctest: +SKIP
    """
    files = show(Wish("save", parent_window(parent), title, filters, initial_folder, initial_name, accept_label))
    return files[0] if files else None


def select_folder(
    parent: Any,
    *,
    title: str | None = None,
    filters: Filters = (),
    initial_folder: Folder | None = None,
    accept_label: str | None = None,
) -> Gio.File | None:
    """Have the user choose a folder; None if the dialog was dismissed. As `open_file`.

    >>> folder = select_folder(window, title="Search in")  # doctest: +SKIP
    """
    files = show(Wish("select_folder", parent_window(parent), title, filters, initial_folder, None, accept_label))
    return files[0] if files else None


@dataclass
class Wish:
    """What is to be chosen; `verb` is the method of `Gtk.FileDialog`."""

    verb: str
    window: Any
    title: str | None
    filters: Filters
    folder: Folder | None
    name: str | None
    accept: str | None


def show(wish: Wish) -> list[Gio.File] | None:
    for name, text in (("title", wish.title), ("initial_name", wish.name), ("accept_label", wish.accept)):
        if text is not None:
            check_text(name, text)
    filters, folder = filters_of(wish.filters), folder_of(wish.folder)
    if is_gtk4():
        drop_late_errors()
    return (show_dialog if hasattr(need_gtk(), "FileDialog") else show_native)(wish, filters, folder)


def show_dialog(wish: Wish, filters: list[Any], folder: Gio.File | None) -> list[Gio.File] | None:
    Gtk = need_gtk()
    dialog = Gtk.FileDialog(initial_folder=folder, initial_name=wish.name, accept_label=wish.accept)
    if wish.title is not None:
        dialog.set_title(wish.title)
    if filters:
        store = Gio.ListStore.new(Gtk.FileFilter)
        for one in filters:
            store.append(one)
        dialog.set_filters(store)
        dialog.set_default_filter(filters[0])
    chosen = choose(wish.window, getattr(dialog, wish.verb), wish.window)
    return chosen if chosen is None else list(chosen) if wish.verb == "open_multiple" else [chosen]


def show_native(wish: Wish, filters: list[Any], folder: Gio.File | None) -> list[Gio.File] | None:
    Gtk = need_gtk()
    actions = Gtk.FileChooserAction
    action = {"save": actions.SAVE, "select_folder": actions.SELECT_FOLDER}.get(wish.verb, actions.OPEN)
    dialog = Gtk.FileChooserNative(
        title=wish.title, transient_for=wish.window, action=action, accept_label=wish.accept, modal=True
    )
    dialog.set_select_multiple(wish.verb == "open_multiple")
    for one in filters:
        dialog.add_filter(one)
    if wish.name is not None:
        dialog.set_current_name(wish.name)
    if not is_gtk4():
        dialog.set_do_overwrite_confirmation(True)
    if folder is not None:
        (dialog.set_current_folder if is_gtk4() else dialog.set_current_folder_file)(folder)
    accepted = Gtk.ResponseType.ACCEPT
    return answer(dialog, wish.window, lambda response: list(dialog.get_files()) if response == accepted else None)


def filters_of(filters: Filters) -> list[Any]:
    Gtk = need_gtk()
    if isinstance(filters, Mapping):
        return [filter_of(name, patterns) for name, patterns in filters.items()]
    if not isinstance(filters, Iterable):
        raise TypeError(f"filters must be Gtk.FileFilter objects or patterns by name, not {filters!r}")
    for one in filters:
        if not isinstance(one, Gtk.FileFilter):
            raise TypeError(f"filters must be Gtk.FileFilter objects or patterns by name, not {one!r}")
    return list(filters)


def filter_of(name: str, patterns: Sequence[str]) -> Any:
    if isinstance(patterns, str):
        raise TypeError(f"filters must be lists of patterns by name: {{{name!r}: [{patterns!r}]}}")
    if not all(isinstance(text, str) for text in (name, *patterns)):
        raise TypeError(f"filters must be lists of patterns by name, all of them str, not {name!r}: {patterns!r}")
    result = need_gtk().FileFilter()
    result.set_name(name)
    for pattern in patterns:
        (result.add_mime_type if "/" in pattern else result.add_pattern)(pattern)
    return result


def folder_of(folder: Folder | None) -> Gio.File | None:
    return folder if folder is None or isinstance(folder, Gio.File) else Gio.File.new_for_path(os.fspath(folder))
