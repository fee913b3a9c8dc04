"""A mouse and a keyboard: real input events, made by the X server of `virtual_display` (XTEST, with python-xlib).

On a display of somebody's own nothing is typed and clicked: it would go wherever the user is.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from gleenlet.testing._servers import own_displays
from gleenlet.testing._steps import wait_all_tasks_blocked

__all__ = ["XTest", "xtest_of"]

LEFT_BUTTON = 1
UNICODE = 0x01000000  # keysyms: Latin-1 characters are their own, all others this and their number
KEYSYMS = {"\n": 0xFF0D, "\t": 0xFF09, "\b": 0xFF08, "\x1b": 0xFF1B}
SHIFT = 0xFFE1


def xtest_of(widget: Any) -> XTest | None:
    """The devices for the display of this GTK 4 widget; None if it is not one of ours, or python-xlib is missing."""
    if not hasattr(widget, "get_native"):
        return None  # GTK 3
    name = widget.get_display().get_name()
    if name not in own_displays:
        return None
    try:
        importlib.import_module("Xlib.ext.xtest")
    except ImportError:
        return None
    return connected(name)


@functools.cache
def connected(name: str) -> XTest:
    return XTest(name)


class XTest:
    """The mouse and the keyboard of a display. Thread: GTK's."""

    def __init__(self, name: str) -> None:
        self.x: Any = importlib.import_module("Xlib.X")
        self.fake_input: Any = importlib.import_module("Xlib.ext.xtest").fake_input
        self.display: Any = importlib.import_module("Xlib.display").Display(name)
        self.root = self.display.screen().root
        info = self.display.display.info
        self.keycodes = range(info.min_keycode, info.max_keycode + 1)

    def window_of(self, widget: Any) -> Any:
        return self.display.create_resource_object("window", widget.get_native().get_surface().get_xid())

    def settle(self, widget: Any) -> None:
        """Wait until GTK has what the server was told, and everything that follows has run."""
        self.display.sync()
        widget.get_display().sync()
        wait_all_tasks_blocked()

    def click(self, widget: Any) -> None:
        """Move the pointer to the middle of the widget and click there.

        Raises: RuntimeError: something else lies over it.
        """
        graphene: Any = importlib.import_module("gi.repository.Graphene")
        gtk: Any = importlib.import_module("gi.repository.Gtk")
        native = widget.get_native()
        middle = graphene.Point().init(widget.get_width() / 2, widget.get_height() / 2)
        _, point = widget.compute_point(native, middle)
        over = native.pick(point.x, point.y, gtk.PickFlags.DEFAULT)
        if over is None or not (over is widget or over.is_ancestor(widget)):
            raise RuntimeError(
                f"this {type(widget).__name__} cannot be clicked: in its middle there is "
                + ("nothing" if over is None else f"a {type(over).__name__}")
            )
        left, top = native.get_surface_transform()
        scale = widget.get_scale_factor()
        corner = self.root.translate_coords(self.window_of(widget), 0, 0)
        place = (round(corner.x + (point.x + left) * scale), round(corner.y + (point.y + top) * scale))
        self.fake_input(self.display, self.x.MotionNotify, x=place[0], y=place[1])
        self.fake_input(self.display, self.x.ButtonPress, LEFT_BUTTON)
        self.fake_input(self.display, self.x.ButtonRelease, LEFT_BUTTON)
        self.settle(widget)

    def type(self, widget: Any, text: str) -> None:
        """Press the keys of the text, with the keyboard's focus at the widget."""
        if not widget.get_state_flags() & importlib.import_module("gi.repository.Gtk").StateFlags.FOCUS_WITHIN:
            getattr(widget, "grab_focus_without_selecting", widget.grab_focus)()
        self.window_of(widget).set_input_focus(self.x.RevertToParent, self.x.CurrentTime)
        self.settle(widget)
        for character in text:
            keysym = KEYSYMS.get(character) or (ord(character) if ord(character) < 256 else UNICODE + ord(character))
            codes = [code for code in self.display.keysym_to_keycodes(keysym) if code[1] < 2]
            if codes:
                code, shifted = min(codes, key=lambda code: int(code[1]))
                self.press(code, bool(shifted))
                continue
            # No key has it. One that has nothing gets it; GTK has to see both before that key changes again.
            spare, wide = self.spare()
            self.display.change_keyboard_mapping(spare, [[keysym] * wide])
            self.display.sync()
            self.press(spare, False)
            self.settle(widget)
            self.display.change_keyboard_mapping(spare, [[0] * wide])
        self.settle(widget)

    def press(self, code: int, shifted: bool) -> None:
        shift = [self.display.keysym_to_keycode(SHIFT)] * shifted
        for key in (*shift, code):
            self.fake_input(self.display, self.x.KeyPress, key)
        for key in (code, *shift):
            self.fake_input(self.display, self.x.KeyRelease, key)

    def spare(self) -> tuple[int, int]:
        """A key that has no symbol, and how many it could have."""
        for code in reversed(self.keycodes):
            symbols = self.display.get_keyboard_mapping(code, 1)[0]
            if not any(symbols):
                return code, len(symbols)
        raise RuntimeError("every key of this display's keyboard has a symbol: there is none for other characters")
