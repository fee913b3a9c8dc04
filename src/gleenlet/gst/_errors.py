"""PipelineError: what an element reports, as an exception. Knows of messages only."""

from __future__ import annotations

from gi.repository import GLib, Gst

from gleenlet import GleenletError


class PipelineError(GleenletError, GLib.Error):
    """An element has failed; a `GLib.Error` too, with its `domain` and `code`.

    >>> try:
    ...     with pipeline("filesrc location=/nowhere ! fakesink") as p:
    ...         p.play()
    ... except PipelineError as error:
    ...     print(error.matches(Gst.resource_error_quark(), Gst.ResourceError.NOT_FOUND), error.element.get_name())
    True filesrc0
    """

    element: Gst.Object | None
    """Who reported it."""
    debug: str | None
    """What is in it for the elements' authors: file, line and more."""

    def __init__(self, error: GLib.Error, element: Gst.Object | None = None, debug: str | None = None) -> None:
        super().__init__(error.message, error.domain, error.code)
        self.element = element
        self.debug = debug
        if debug:
            self.add_note(debug)

    def __str__(self) -> str:
        return self.message if self.element is None else f"{self.element.get_name()}: {self.message}"

    @classmethod
    def of(cls, message: Gst.Message) -> PipelineError:
        """Make one of an error message."""
        error, debug = message.parse_error()
        return cls(error, message.src, debug)


def core_error(code: Gst.CoreError, text: str, element: Gst.Element) -> PipelineError:
    """Make one where GStreamer says no more than that it failed."""
    return PipelineError(GLib.Error.new_literal(Gst.core_error_quark(), text, code), element)
