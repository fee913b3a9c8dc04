"""Draws results as SVG: for each main workload a bar for each peer, in multiples of gleenlet's figure.

The colours follow the reader's light or dark mode.
"""

from __future__ import annotations

from html import escape

from results import Data
from rows import CHART
from table import quantity

SHOWN = ("gleenlet", "greenlet", "gevent", "asyncio", "uvloop", "gi.events", "trio", "libdex")
COLUMNS = 2
COLUMN_WIDTH = 400
LABEL_WIDTH = 66
BAR_WIDTH = 260  # of the longest
BAR_HEIGHT = 11
BAR_STEP = 15
TITLE_HEIGHT = 24
GROUP_GAP = 18
MARGIN = 16
TOP = 44
MOST = 10.0  # longer bars are cut here; their number stays

STYLE = """
  text { font: 11px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #57606a; }
  .heading { font-size: 14px; font-weight: 600; fill: #1f2328; }
  .title { font-size: 12px; font-weight: 600; fill: #1f2328; }
  .label { text-anchor: end; }
  .bar { fill: #afb8c1; }
  .ours { fill: #1a7f37; }
  .cut { stroke: #ffffff; stroke-width: 2.5; }
  .one { stroke: #1a7f37; stroke-width: 1; stroke-dasharray: 2 2; opacity: 0.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1; }
    .heading, .title { fill: #f0f6fc; }
    .bar { fill: #4d5560; }
    .ours { fill: #3fb950; }
    .cut { stroke: #0d1117; }
    .one { stroke: #3fb950; }
  }
"""


def chart(data: Data) -> str:
    """The SVG's text. Workloads without a figure of gleenlet's are left out."""
    by_key = {row["key"]: row for row in data["tables"]["main"]}
    rows = [by_key[key] for key in CHART if "gleenlet" in by_key.get(key, {"peers": {}})["peers"]]
    heights = [0.0] * COLUMNS
    parts: list[str] = []
    for row in rows:
        column = heights.index(min(heights))
        drawn, height = group(row, MARGIN + column * (COLUMN_WIDTH + MARGIN), TOP + heights[column])
        parts += drawn
        heights[column] += height + GROUP_GAP
    width = COLUMNS * COLUMN_WIDTH + (COLUMNS + 1) * MARGIN
    height = TOP + max(heights)
    size = f'width="{width}" height="{height:.0f}" viewBox="0 0 {width} {height:.0f}"'
    heading = "Time and memory as a multiple of gleenlet's: shorter is better"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{heading}">',
            f"<style>{STYLE}</style>",
            f'<text class="heading" x="{MARGIN}" y="24">{heading}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def group(row: Data, left: float, top: float) -> tuple[list[str], float]:
    """One workload's title and bars, and how much height they take."""
    peers = [peer for peer in SHOWN if peer in row["peers"]]
    ratios = [row["peers"][peer].get("ratio", 1.0) for peer in peers]
    scale = BAR_WIDTH / min(max(ratios, default=1.0), MOST)
    start = left + LABEL_WIDTH
    parts = [f'<text class="title" x="{left}" y="{top + 12:.0f}">{escape(CHART[row["key"]])}</text>']
    y = top + TITLE_HEIGHT - 4
    for peer, ratio in zip(peers, ratios, strict=True):
        length = min(ratio, MOST) * scale
        figure = quantity(row["peers"][peer]["median"], row["unit"])
        note = figure if peer == "gleenlet" else f"{figure}, {ratio:.{1 if ratio >= 1 else 2}f}x"
        kind = "bar ours" if peer == "gleenlet" else "bar"
        text_y = y + BAR_HEIGHT - 2
        parts.append(f'<text class="label" x="{start - 6}" y="{text_y:.0f}">{escape(peer)}</text>')
        place = f'x="{start}" y="{y:.0f}" width="{length:.1f}" height="{BAR_HEIGHT}"'
        parts.append(f'<rect class="{kind}" {place} rx="1.5"/>')
        if ratio > MOST:
            x = start + length - 14
            parts.append(f'<path class="cut" d="M{x:.0f} {y + BAR_HEIGHT:.0f}l6 -{BAR_HEIGHT}"/>')
        parts.append(f'<text x="{start + length + 5:.1f}" y="{text_y:.0f}">{escape(note)}</text>')
        y += BAR_STEP
    x = start + scale
    parts.insert(0, f'<path class="one" d="M{x:.1f} {top + TITLE_HEIGHT - 6:.0f}V{y - 2:.0f}"/>')
    return parts, y - top
