"""What the inspector draws: the timeline, and one figure over ten seconds. As plain rectangles and texts: cheap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gdk, Graphene, Gtk

from gleenlet.debug._window.activity import PART, SECONDS

__all__ = ["Plot", "Timeline", "Track"]

PARTS = int(SECONDS / PART)
NAMES = 130  # pixels at the left for names
LINE = 18


def color(text: str, alpha: float = 1.0) -> Any:
    rgba = Gdk.RGBA()
    rgba.parse(text)
    rgba.alpha = alpha
    return rgba


GROUND = color("#808080", 0.12)
BAR = color("#3584e4")
LATE = color("#e5a50a")
FRAMES = color("#2ec27e")


def rectangle(x: float, y: float, width: float, height: float) -> Any:
    return Graphene.Rect().init(x, y, width, height)


def ink(widget: Any) -> Any:
    """The colour of its text."""
    return widget.get_color() if hasattr(widget, "get_color") else widget.get_style_context().get_color()  # GTK 4.10


class Track(NamedTuple):
    """One line of the timeline: a name, and the seconds that it ran for, by part."""

    name: str
    parts: Mapping[int, float]


class Drawing(Gtk.Widget):
    """Draws with `draw(snapshot, width, height)`."""

    def __init__(self, height: int) -> None:
        super().__init__(hexpand=True)
        self.set_size_request(-1, height)
        self.end = 0.0

    def do_snapshot(self, snapshot: Any) -> None:
        self.draw(snapshot, float(self.get_width()), float(self.get_height()))

    def draw(self, snapshot: Any, width: float, height: float) -> None:
        raise NotImplementedError

    def write(self, snapshot: Any, text: str, x: float, y: float, width: float) -> None:
        layout = self.create_pango_layout(text)
        snapshot.save()
        snapshot.push_clip(rectangle(x, y, width, LINE))
        snapshot.translate(Graphene.Point().init(x, y))
        snapshot.append_layout(layout, ink(self))
        snapshot.pop()
        snapshot.restore()

    def place(self, part: int, left: float, width: float) -> float:
        """Where a part begins, the newest at the right."""
        return left + (part + PARTS - 1 - int(self.end / PART)) * (width - left) / PARTS


class Timeline(Drawing):
    """A line for each of the busiest tasks: when it ran, and how much."""

    def __init__(self, lines: int) -> None:
        super().__init__(lines * LINE)
        self.tracks: Sequence[Track] = ()

    def update(self, tracks: Sequence[Track], end: float) -> None:
        self.tracks, self.end = tracks, end
        self.queue_draw()

    def draw(self, snapshot: Any, width: float, height: float) -> None:
        step = (width - NAMES) / PARTS
        for line, track in enumerate(self.tracks):
            y = line * LINE
            self.write(snapshot, track.name, 4, y, NAMES - 8)
            snapshot.append_color(GROUND, rectangle(NAMES, y + 2, width - NAMES, LINE - 4))
            for part, seconds in track.parts.items():
                x = self.place(part, NAMES, width)
                if x >= NAMES:
                    high = max(1.0, min(1.0, seconds / PART) * (LINE - 4))
                    snapshot.append_color(BAR, rectangle(x, y + LINE - 2 - high, max(step - 1, 1), high))


class Plot(Drawing):
    """One figure by part, as bars below a title that says the newest."""

    def __init__(self, title: str, unit: str, most: float, rgba: Any) -> None:
        super().__init__(64)
        self.title, self.unit, self.most, self.rgba = title, unit, most, rgba
        self.values: Mapping[int, float] = {}
        self.said = ""

    def update(self, values: Mapping[int, float], newest: float, end: float) -> None:
        """Args: newest: the number for the title, in the plot's unit."""
        self.values, self.end = values, end
        self.said = f"{self.title}: {newest:.0f} {self.unit}"
        self.queue_draw()

    def draw(self, snapshot: Any, width: float, height: float) -> None:
        self.write(snapshot, self.said, 4, 0, width - 8)
        snapshot.append_color(GROUND, rectangle(0, LINE, width, height - LINE))
        top = max(self.most, *self.values.values()) if self.values else self.most
        step = width / PARTS
        for part, value in self.values.items():
            x = self.place(part, 0, width)
            if x >= 0 and value:
                high = max(1.0, value / top * (height - LINE))
                snapshot.append_color(self.rgba, rectangle(x, height - high, max(step - 1, 1), high))
