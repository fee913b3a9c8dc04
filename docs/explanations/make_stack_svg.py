"""Draws the C stack before and after a greenlet switch: docs/explanations/stack-*.svg, in English and Chinese.

usage: python docs/explanations/make_stack_svg.py
"""
# ruff: noqa: RUF001  (Chinese punctuation is meant)

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, ROW, BOX, STEP = 894, 34, 250, 38
LEFT, RIGHT, HEAP = 40, 330, 620  # the three columns

# Colours for light and dark; no CSS variables, which viewers other than browsers do not know.
PALETTES = (
    {"card": "#ffffff", "edge": "#d0d7de", "ink": "#1f2328", "soft": "#59636e",
     "bad": "#cf222e", "good": "#1a7f37", "loop": ("#ddeafb", "#0a3d91"), "node": ("#ffe2cc", "#953800"),
     "task": ("#d8f3dd", "#116329"), "other": ("#eadcfb", "#6639ba")},
    {"card": "#161b22", "edge": "#3d444d", "ink": "#f0f6fc", "soft": "#a2abb5",
     "bad": "#ff7b72", "good": "#57d06e", "loop": ("#14305c", "#a5d0ff"), "node": ("#5a2a0a", "#ffc799"),
     "task": ("#123d20", "#8fe3a4"), "other": ("#36235c", "#d7bfff")},
)  # fmt: skip
FONT = """text { font: 13px system-ui, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", sans-serif; }
.title { font-weight: 600; font-size: 16px; } .soft { font-size: 12px; }
path { fill: none; stroke-width: 2; }
.head, text.node, text.bad, text.good { font-weight: 600; }
rect.free { fill: none; stroke-dasharray: 4 4; }"""


def colours(palette: Mapping[str, str | tuple[str, str]]) -> str:
    """The CSS rules of one palette."""
    rules = [
        f"text {{ fill: {palette['ink']}; }} .card {{ fill: {palette['card']}; stroke: {palette['edge']}; }}",
        f".soft, text.free {{ fill: {palette['soft']}; }} rect.free {{ stroke: {palette['soft']}; }}",
    ]
    for kind, colour in palette.items():
        if isinstance(colour, tuple):
            fill, ink = colour
            rules.append(f"rect.{kind} {{ fill: {fill}; stroke: {ink}; }} text.{kind} {{ fill: {ink}; }}")
    for kind in ("bad", "good"):
        colour = palette[kind]
        rules.append(f"path.{kind} {{ stroke: {colour}; }} .tip-{kind}, text.{kind} {{ fill: {colour}; }}")
    return "\n".join(rules)


STYLE = f"{FONT}\n{colours(PALETTES[0])}\n@media (prefers-color-scheme: dark) {{\n{colours(PALETTES[1])}\n}}"

Row = tuple[str, str, int]  # kind, text, height in rows

# One key, one drawing; texts are (English, Chinese).
TEXTS = {
    "before": ("before the switch", "切换之前"),
    "after": ("after the switch", "切换之后"),
    "heap": ("heap", "堆"),
    "grows": ("the stack grows downwards", "栈向下生长"),
    "list": ("GObject: first running emission", "GObject：最近的运行中发射"),
    "main": ("main(), GLib.MainLoop.run", "main()、GLib.MainLoop.run"),
    "dispatch": ("loop: dispatch", "主循环：dispatch"),
    "worker": ("task A: worker()", "任务 A：worker()"),
    "emission": ("emission “moved”: its node", "发射 “moved” 的节点"),
    "handler": ("handler: sleep()", "处理函数：sleep()"),
    "other": ("task B: other frames", "任务 B：别的栈帧"),
    "emission_title": ("A wait inside a signal handler", "在信号处理函数里等待"),
    "emission_end": (
        "The node is in the copy; the list still points to its old address. The next emission follows it.",
        "节点已在副本里；链表仍指向旧地址。下一次发射会顺着它走。",
    ),
    "nested_title": (
        "A nested loop, and a greenlet that was born above it",
        "嵌套循环，以及在它上方出生的 greenlet",
    ),
    "open": ("emission “open”: its node", "发射 “open” 的节点"),
    "inner": ("modal dialog: inner loop", "模态对话框：内层循环"),
    "inner_dispatch": ("inner loop: dispatch", "内层循环：dispatch"),
    "saved_loop": ("copy of the loop's frames", "主循环栈帧的副本"),
    "worker_long": ("greenlet A: worker(), emits", "greenlet A：worker()，发射信号"),
    "nested_end": (
        "A returns to where it was born (dashed), over the dialog's frames; GObject still needs them there.",
        "A 回到它出生的位置（虚线），盖住对话框的栈帧：GObject 还要用它们，它们却被移走了。",
    ),
    "floor_title": (
        "The floor: every task is born below all frames of the loop",
        "地板：每个任务都出生在主循环所有栈帧之下",
    ),
    "reserve": ("reserve, untouched", "预留区，从不触碰"),
    "floor": ("floor", "地板"),
    "task_b": ("task B", "任务 B"),
    "task_a": ("task A", "任务 A"),
    "saved_a": ("copy of A", "A 的副本"),
    "floor_end": (
        "A switch exchanges what lies below the floor. No frame of a loop and no emission ever moves.",
        "切换只交换地板以下的内容。主循环的栈帧和它的发射节点从不移动。",
    ),
}


class Drawing:
    def __init__(self, language: int, name: str, rows: int) -> None:
        self.language = language
        self.name = name
        self.height = 128 + rows * STEP + 56
        self.parts: list[str] = []
        self.text(LEFT - 16, 36, f"{name}_title", "title")
        for x, key in ((LEFT, "before"), (RIGHT, "after"), (HEAP, "heap")):
            self.text(x, 76, key, "head")
        self.text(LEFT, 94, "grows", "soft")
        self.text(LEFT - 16, self.height - 24, f"{name}_end", "bad" if name != "floor" else "good")

    def text(self, x: int, y: int, key: str, kind: str) -> None:
        self.parts.append(f'<text x="{x}" y="{y}" class="{kind}">{escape(TEXTS[key][self.language])}</text>')

    def stack(self, x: int, rows: list[Row], top: int = 108) -> list[int]:
        """Draw `rows` downwards from `top`; return the middle of each."""
        middles = []
        for kind, key, height in rows:
            h = ROW + (height - 1) * STEP
            self.parts.append(f'<rect x="{x}" y="{top}" width="{BOX}" height="{h}" rx="5" class="{kind}"/>')
            self.text(x + 12, top + h // 2 + 5, key, kind)
            middles.append(top + h // 2)
            top += height * STEP
        return middles

    def svg(self) -> str:
        markers = "".join(
            f'<marker id="{kind}" viewBox="0 0 8 8" refX="7" refY="4" '
            f'markerWidth="6" markerHeight="6" orient="auto">'
            f'<polygon points="0,0 8,4 0,8" class="tip-{kind}"/></marker>'
            for kind in ("bad", "good")
        )
        body = "\n".join(self.parts)
        title = escape(TEXTS[f"{self.name}_title"][self.language])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" '
            f'height="{self.height}" role="img">\n<title>{title}</title>\n'
            f"<style>{STYLE}</style>\n<defs>{markers}</defs>\n"
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{self.height - 1}" rx="10" class="card"/>\n'
            f"{body}\n</svg>\n"
        )


def list_head(drawing: Drawing, before: int, after: int, after_kind: str) -> None:
    """GObject's pointer to the newest emission: right of the first column, and of the second."""
    bottom = drawing.height - 58
    for x, y, kind in ((LEFT + BOX, before, "good"), (RIGHT + BOX, after, after_kind)):
        drawing.parts.append(
            f'<path class="{kind}" marker-end="url(#{kind})" d="M {x + 20} {bottom - 14} V {y} H {x + 4}"/>'
        )
        label = escape(TEXTS["list"][drawing.language])
        drawing.parts.append(f'<text x="{x + 24}" y="{bottom}" text-anchor="end" class="soft">{label}</text>')


def emission(language: int) -> Drawing:
    drawing = Drawing(language, "emission", 6)
    loop: list[Row] = [("loop", "main", 1), ("loop", "dispatch", 1)]
    before = drawing.stack(LEFT, [*loop, ("task", "worker", 1), ("node", "emission", 1), ("task", "handler", 1)])
    drawing.stack(RIGHT, [*loop, ("other", "other", 3)])
    drawing.stack(HEAP, [("task", "worker", 1), ("node", "emission", 1), ("task", "handler", 1)], top=108 + 2 * STEP)
    list_head(drawing, before[3], before[3], "bad")
    return drawing


def nested(language: int) -> Drawing:
    drawing = Drawing(language, "nested", 7)
    shared: list[Row] = [("node", "open", 1), ("loop", "inner", 1), ("loop", "inner_dispatch", 1)]
    loop: list[Row] = [("loop", "main", 1), ("loop", "dispatch", 1)]
    before = drawing.stack(LEFT, [*loop, *shared])
    drawing.stack(RIGHT, [*loop, ("other", "worker_long", 4)])
    drawing.stack(HEAP, shared, top=108 + 2 * STEP)
    y = 106 + 2 * STEP
    drawing.parts.append(f'<path class="bad" stroke-dasharray="6 4" d="M {LEFT - 16} {y} H {LEFT + BOX + 12}"/>')
    drawing.text(HEAP, 106 + STEP + ROW, "saved_loop", "soft")
    list_head(drawing, before[2], before[2], "bad")
    return drawing


def floor(language: int) -> Drawing:
    drawing = Drawing(language, "floor", 9)
    loops: list[Row] = [
        ("loop", "main", 1), ("loop", "dispatch", 1), ("node", "open", 1), ("loop", "inner", 1),
        ("loop", "inner_dispatch", 1), ("free", "reserve", 1),
    ]  # fmt: skip
    before = drawing.stack(LEFT, [*loops, ("task", "task_a", 1)])
    drawing.stack(RIGHT, [*loops, ("other", "task_b", 2)])
    drawing.stack(HEAP, [("task", "saved_a", 1)], top=108 + 6 * STEP)
    y = 106 + 6 * STEP
    drawing.parts.append(f'<path class="good" stroke-dasharray="6 4" d="M {LEFT - 16} {y} H {HEAP + BOX}"/>')
    drawing.text(HEAP + BOX - 34, y - 8, "floor", "good")
    list_head(drawing, before[2], before[2], "good")
    return drawing


def drawings() -> dict[str, str]:
    """The text of each file, by its name."""
    files = {}
    for language, suffix in enumerate(("", ".zh_CN")):
        for draw in (emission, nested, floor):
            drawing = draw(language)
            files[f"stack-{drawing.name}{suffix}.svg"] = drawing.svg()
    return files


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    folder = folder if folder.is_dir() else folder.parent
    for name, text in drawings().items():
        (folder / name).write_text(text)
