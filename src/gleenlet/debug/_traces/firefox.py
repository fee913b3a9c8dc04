"""The Firefox Profiler's processed format, version 57 (later ones read it): profiler.firefox.com.

A thread for each loop. What a task does are markers of its name, so the marker chart has a row for each; what ran is in
the samples as well, weighted by its time, so the call tree tells how long each function's tasks ran.
"""

from __future__ import annotations

import json
import platform
from typing import Any, BinaryIO

from gleenlet.debug._traces.timeline import FRAMES, LOOP, Item, Names, Writer

__all__ = ["Firefox"]

VERSION = 57
GECKO_VERSION = 31
INSTANT, INTERVAL = 0, 1  # MarkerPhase
CATEGORIES = ("running", "ready", "waiting", "loop", "other")
COLORS = ("green", "yellow", "grey", "blue", "orange")


class Thread:
    """The tables of one loop."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.functions: dict[int, int] = {}  # by the string of its name
        self.samples: dict[str, list[Any]] = {"stack": [], "time": [], "weight": []}
        self.markers: dict[str, list[Any]] = {
            column: [] for column in ("data", "name", "startTime", "endTime", "phase", "category")
        }


class Firefox(Writer):
    def __init__(self, file: BinaryIO, names: Names) -> None:
        super().__init__(file, names)
        self.threads: dict[int, Thread] = {}
        self.strings: dict[str, int] = {}

    def add(self, item: Item) -> None:
        thread = self.threads.get(item.row.loop)
        if thread is None:
            thread = self.threads[item.row.loop] = Thread(*self.names.thread(item.row.loop))
        title, task = self.names.title(item), item.row.task
        own = self.names.of(item.row) if task > LOOP else item.kind
        data: dict[str, Any] = {"type": "task", "state": title}
        if item.end is None:
            data = {"type": "moment", "what": title}
        elif task == FRAMES:
            data = {"type": "frame"}
        elif task == LOOP:
            self.sample(thread, title, item.begin, item.end)
            if item.kind != "callback":
                return
        if item.joint:
            data["flow" if item.end is None else "woken"] = self.string(hex(item.joint))
        self.marker(thread, own, item, data)

    def sample(self, thread: Thread, title: str, begin: float, end: float) -> None:
        function = self.string(title)
        thread.samples["stack"].append(thread.functions.setdefault(function, len(thread.functions)))
        thread.samples["time"].append(begin)
        thread.samples["weight"].append(milliseconds(end - begin))

    def marker(self, thread: Thread, name: str, item: Item, data: dict[str, Any]) -> None:
        markers = thread.markers
        markers["data"].append(data)
        markers["name"].append(self.string(name))
        markers["startTime"].append(item.begin)
        markers["endTime"].append(item.end)
        markers["phase"].append(INSTANT if item.end is None else INTERVAL)
        kind = "loop" if item.kind == "callback" else item.kind
        markers["category"].append(CATEGORIES.index(kind if kind in CATEGORIES else "other"))

    def string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings))

    def close(self) -> None:
        times = [time for thread in self.threads.values() for time in thread.markers["startTime"]]
        start = min(times, default=self.names.clocks.get("monotonic", 0.0))
        profile = {
            "meta": self.meta(start),
            "libs": [],
            "pages": [],
            "shared": {"stringArray": list[str]()},
            "threads": [self.thread(thread, start) for thread in self.threads.values()],
        }
        profile["shared"] = {"stringArray": list(self.strings)}
        self.file.write(json.dumps(profile, separators=(",", ":")).encode())

    def meta(self, start: float) -> dict[str, Any]:
        now = self.names.clocks
        begun = start + now.get("realtime", 0.0) - now.get("monotonic", 0.0)
        return {
            "interval": 1,
            "startTime": round(begun * 1000, 3),
            "startTimeAsClockMonotonicNanosecondsSinceBoot": round(start * 1e9),
            "profilingStartTime": 0,
            "processType": 0,
            "product": self.names.program,
            "stackwalk": 0,
            "version": GECKO_VERSION,
            "preprocessedProfileVersion": VERSION,
            "platform": platform.system(),
            "oscpu": platform.machine(),
            "importedFrom": "gleenlet",
            "symbolicated": True,
            "symbolicationNotSupported": True,
            "usesOnlyOneStackType": True,
            "sourceCodeIsNotOnSearchfox": True,
            "extensions": {"id": [], "name": [], "baseURL": [], "length": 0},
            "categories": [
                {"name": name, "color": color, "subcategories": ["Other"]}
                for name, color in zip(CATEGORIES, COLORS, strict=True)
            ],
            "markerSchema": [
                schema("task", "{marker.data.state}", state="string", woken="terminating-flow-id"),
                schema("moment", "{marker.data.what}", what="string", flow="flow-id"),
                schema("frame", "{marker.name}"),
            ],
        }

    def thread(self, thread: Thread, start: float) -> dict[str, Any]:
        samples, markers = thread.samples, thread.markers
        samples["time"] = [milliseconds(time - start) for time in samples["time"]]
        for column in ("startTime", "endTime"):
            markers[column] = [None if time is None else milliseconds(time - start) for time in markers[column]]
        functions = list(thread.functions)
        n = len(functions)
        nothing = [None] * n
        return {
            "name": thread.name,
            "processName": self.names.program,
            "isMainThread": thread.number == self.names.pid,
            "pid": str(self.names.pid),
            "tid": thread.number,
            "processType": "default",
            "processStartupTime": 0,
            "processShutdownTime": None,
            "registerTime": 0,
            "unregisterTime": None,
            "pausedRanges": [],
            "showMarkersInTimeline": True,
            "samples": {**samples, "weightType": "tracing-ms", "length": len(samples["stack"])},
            "markers": {**markers, "length": len(markers["name"])},
            "stackTable": {"frame": list(range(n)), "prefix": nothing, "length": n},
            "frameTable": {
                "address": [-1] * n,
                "inlineDepth": [0] * n,
                "category": [CATEGORIES.index("running")] * n,
                "subcategory": [0] * n,
                "func": list(range(n)),
                "nativeSymbol": nothing,
                "innerWindowID": nothing,
                "line": nothing,
                "column": nothing,
                "length": n,
            },
            "funcTable": {
                "name": functions,
                "isJS": [False] * n,
                "relevantForJS": [False] * n,
                "resource": [-1] * n,
                "fileName": nothing,
                "lineNumber": nothing,
                "columnNumber": nothing,
                "length": n,
            },
            "resourceTable": {"lib": [], "name": [], "host": [], "type": [], "length": 0},
            "nativeSymbols": {"libIndex": [], "address": [], "name": [], "functionSize": [], "length": 0},
        }


def schema(name: str, label: str, **fields: str) -> dict[str, Any]:
    return {
        "name": name,
        "tooltipLabel": label,
        "tableLabel": label,
        "chartLabel": label,
        "display": ["marker-chart", "marker-table", "timeline-overview"],
        "fields": [{"key": key, "label": key, "format": format} for key, format in fields.items()],
    }


def milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 6)
