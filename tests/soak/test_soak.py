"""A million waits of each kind: memory stays flat, and no handler, source, descriptor or cancellable is left."""

from __future__ import annotations

import functools
import gc
import operator
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gi.repository import Gio, GLib, GObject

from gleenlet import (
    call,
    get_hub,
    signals,
    sleep,
    spawn,
    wait_child,
    wait_property,
    wait_readable,
    wait_signal,
    wait_unix_signal,
    wait_writable,
)
from watching import counted_cancellables, has_handler, live_sources

pytestmark = [pytest.mark.soak, pytest.mark.usefixtures("nothing_left")]

COUNT = int(os.environ.get("GLEENLET_SOAK", 1_000_000))
NONE = Gio.FileQueryInfoFlags.NONE


class Counter(GObject.Object):
    __gtype_name__ = "GleenletSoakCounter"

    count = GObject.Property(type=int, default=0)

    @GObject.Signal(arg_types=(int,))
    def counted(self, number: int) -> None:
        pass


def resident_kib() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def soak(work: Callable[[int], object]) -> None:
    """Do `work(COUNT)` in a task, after a tenth of it that may still grow pools and caches."""
    spawn(work, COUNT // 10).result()
    gc.collect()
    before, sources, files = resident_kib(), live_sources(), os.listdir("/proc/self/fd")
    spawn(work, COUNT).result()
    gc.collect()
    assert resident_kib() - before < 4096
    assert live_sources() <= sources
    assert len(os.listdir("/proc/self/fd")) == len(files)


@pytest.mark.parametrize("kind", ["wait_signal", "signals", "wait_property"])
def test_a_million_waits_for_an_object(kind: str) -> None:
    counter = Counter()
    call_soon = get_hub().call_soon

    def wait(times: int) -> None:
        counter.count = 0
        for number in range(times):
            if kind == "wait_signal":
                call_soon(counter.emit, "counted", number)
                assert wait_signal(counter, "counted") == (number,)
            elif kind == "signals":
                with signals(counter, "counted") as numbers:
                    call_soon(counter.emit, "counted", number)
                    assert next(numbers) == (number,)
            else:
                call_soon(counter.set_property, "count", number + 1)
                wait_property(counter, "count", functools.partial(operator.eq, number + 1))

    soak(wait)
    assert not has_handler(counter, "counted")
    assert not has_handler(counter, "notify::count")


@pytest.mark.parametrize("end", ["result", "error", "cancel"])
def test_a_million_calls(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some.txt").write_bytes(b"hello")
    file = Gio.File.new_for_path(str(tmp_path / ("some.txt" if end != "error" else "none.txt")))

    def work(times: int) -> None:
        for _ in range(times):
            if end == "result":
                call(file.query_info_async, "standard::size", NONE)
            elif end == "error":
                try:
                    call(file.query_info_async, "standard::size", NONE)
                except GLib.Error:
                    pass
            else:
                task = spawn(call, file.query_info_async, "standard::size", NONE)
                sleep(0)
                task.cancel()
                task.join()

    with counted_cancellables(monkeypatch) as cancellables:
        soak(work)
        assert cancellables.made
        cancellables.wait_for_none()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("end", ["ready", "timeout"])
def test_a_million_waits_for_reading(end: str, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    call_soon = get_hub().call_soon

    def wait(times: int) -> None:
        for _ in range(times):
            if end == "ready":
                call_soon(os.write, writer, b"x")
                wait_readable(reader)
                assert os.read(reader, 10) == b"x"
            else:
                try:
                    wait_readable(reader, timeout=1e-6)
                except TimeoutError:
                    pass

    soak(wait)


def test_a_million_waits_for_writing(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    call_soon = get_hub().call_soon
    os.set_blocking(writer, False)

    os.write(writer, bytes(1 << 20))  # as much as it takes

    def wait(times: int) -> None:
        for _ in range(times):
            call_soon(os.read, reader, 4096)
            wait_writable(writer)
            assert os.write(writer, bytes(4096)) == 4096

    soak(wait)


def test_a_million_unix_signals() -> None:
    call_soon = get_hub().call_soon

    def wait(times: int) -> None:
        for _ in range(times):
            call_soon(signal.raise_signal, signal.SIGUSR1)
            wait_unix_signal(signal.SIGUSR1)

    soak(wait)


# The least that a process can do: no C library, exit status 7.
SMALL_PROGRAM = """
void _start(void) {
#ifdef __x86_64__
    __asm__("mov $7, %edi; mov $231, %eax; syscall");
#else
    __asm__("mov x0, #7; mov x8, #94; svc #0"); // aarch64
#endif
}
"""


def test_a_million_children(tmp_path: Path) -> None:
    """Real processes, eight at a time, of a program of our own: with 2,000 to 2,900 a second on two busy cores a
    million takes 6 to 9 minutes, with /bin/true, which loads the C library, it would be 17 to 23."""
    (tmp_path / "small.c").write_text(SMALL_PROGRAM)
    small = str(tmp_path / "small")
    subprocess.run(["gcc", "-O1", "-static", "-nostdlib", "-o", small, f"{small}.c"], check=True)

    def wait(times: int) -> None:
        for _ in range(times):
            assert wait_child(os.posix_spawn(small, [small], {})) == 7

    def crowd(times: int) -> None:
        for task in [spawn(wait, times // 8) for _ in range(8)]:
            task.result()

    soak(crowd)
