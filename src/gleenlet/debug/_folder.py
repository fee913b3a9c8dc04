"""Where the sockets of processes that listen are: in a folder of the user's own, which nobody else can enter."""

from __future__ import annotations

import contextlib
import glob
import os
import stat

from gleenlet import GleenletError

__all__ = ["all_sockets", "own_socket", "possible_sockets"]

TEMPORARY = "/tmp"  # where there is no runtime folder


def own_socket() -> str:
    """The path for this process's socket; its folder is made.

    Raises: GleenletError: the folder is not the user's own.
    """
    folder, name = place(os.getpid())
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    check(folder)
    return os.path.join(folder, name)


def place(pid: int) -> tuple[str, str]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    sandbox = os.environ.get("FLATPAK_ID")
    if runtime and sandbox:  # the folder that the host sees, too
        return os.path.join(runtime, "app", sandbox), f"gleenlet-{pid}.sock"
    if runtime:
        return os.path.join(runtime, "gleenlet"), f"{pid}.sock"
    return f"{TEMPORARY}/gleenlet-{os.geteuid()}", f"{pid}.sock"


def check(folder: str) -> None:
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise GleenletError(f"{folder} is no folder of yours: it cannot hold the socket; set XDG_RUNTIME_DIR")
    if status.st_mode & 0o077:
        raise GleenletError(f"{folder} can be entered by others: chmod 700 {folder}, or set XDG_RUNTIME_DIR")


def all_sockets() -> list[str]:
    """The paths of all sockets here; some may be of processes that have ended."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    paths = glob.glob(f"{TEMPORARY}/gleenlet-{os.geteuid()}/*.sock")
    if runtime:
        paths += glob.glob(os.path.join(glob.escape(runtime), "gleenlet", "*.sock"))
        paths += glob.glob(os.path.join(glob.escape(runtime), "app", "*", "gleenlet-*.sock"))
    return sorted(paths)


def possible_sockets(pid: int) -> list[str]:
    """Where the socket of this process may be; a sandbox knows its process by another number."""
    return [path for path in all_sockets() if "/app/" in path or os.path.basename(path) == f"{pid}.sock"]
