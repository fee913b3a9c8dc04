"""polkit: may the caller do this?"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from gi.repository import Gio

import gleenlet
from gleenlet import Cancelled
from gleenlet.dbus._call import current_call
from gleenlet.dbus._errors import AccessDenied
from gleenlet.dbus._interface import interface
from gleenlet.dbus._proxy import proxy
from gleenlet.dbus._types import UInt32

ALLOW_USER_INTERACTION = 1  # of CheckAuthorization's flags


class Subject(NamedTuple):
    kind: str
    details: dict[str, Any]


class Result(NamedTuple):
    is_authorized: bool
    is_challenge: bool
    details: dict[str, str]


@interface("org.freedesktop.PolicyKit1.Authority", names="CamelCase")
class Authority:
    def check_authorization(  # type: ignore[empty-body]
        self, subject: Subject, action_id: str, details: dict[str, str], flags: UInt32, cancellation_id: str
    ) -> Result: ...
    def cancel_check_authorization(self, cancellation_id: str) -> None: ...


def authorized(action_id: str, details: dict[str, str] | None = None) -> Literal[True]:
    """In a service's method: have polkit say whether the caller may, and wait for it; he may be asked for a password.

    The service has to be on the system bus, where polkit is. The caller is asked only if the call allows it
    (ALLOW_INTERACTIVE_AUTHORIZATION). A cancelled task takes the question back.

    Args:
        action_id: of a policy file: "org.example.files.delete".
        details: what the question may mention, by name.

    Returns: True.
    Raises:
        AccessDenied: no. The caller gets that error.
        GleenletError: not in the method of an exported object.
        GLib.Error: polkit does not answer, or does not know the action.
        Cancelled: the task was cancelled.

    >>> from gleenlet.dbus import interface
    >>> @interface("org.example.Files")
    ... class Files:
    ...     def delete(self, path: str) -> None:
    ...         authorized("org.example.files.delete")
    ...         print("gone:", path)
    """
    call = current_call()
    authority = proxy(call.bus, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", Authority)
    interactive = bool(call.flags & Gio.DBusMessageFlags.ALLOW_INTERACTIVE_AUTHORIZATION)
    cancellation = f"gleenlet-{id(call):x}"
    subject = Subject("system-bus-name", {"name": call.sender or ""})
    flags = ALLOW_USER_INTERACTION if interactive else 0
    try:
        result = authority.check_authorization(subject, action_id, details or {}, flags, cancellation)
    except Cancelled:
        gleenlet.spawn(take_back, authority, cancellation)
        raise
    if not result.is_authorized:
        raise AccessDenied(f"polkit does not let {call.sender} do {action_id}")
    return True


def take_back(authority: Authority, cancellation: str) -> None:
    """Close the question; polkit may have answered it already."""
    try:
        authority.cancel_check_authorization(cancellation)
    except Exception:
        pass
