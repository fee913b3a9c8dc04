"""Descriptors: waits for reading and writing, closed and reused numbers, forks."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator

import pytest
from gi.repository import GLib

from child import run_script
from gleenlet import (
    GleenletError,
    get_hub,
    sleep,
    spawn,
    wait_readable,
    wait_writable,
)
from inside import settle

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_readable_and_writable(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    wait_writable(one)
    task = spawn(wait_readable, other)
    settle()
    assert not task.done()
    one.send(b"x")
    assert task.join()
    with pytest.raises(TimeoutError):
        wait_readable(one, timeout=0.001)


def test_two_waits_on_one_direction_both_wake(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    tasks = [spawn(wait_readable, other) for _ in range(2)]
    settle()
    one.send(b"x")
    assert [task.join() for task in tasks] == [True, True]


def test_read_and_write_wait_on_one_descriptor(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    one.setblocking(False)
    while True:
        try:
            one.send(b"x" * 4096)
        except BlockingIOError:
            break
    reader, writer = spawn(wait_readable, one), spawn(wait_writable, one)
    settle()
    other.send(b"x")
    reader.join()
    assert not writer.done()
    other.setblocking(False)
    while not writer.done():
        try:
            other.recv(65536)
        except BlockingIOError:
            pass
        sleep(0)


def test_end_of_the_peer_wakes_both_directions() -> None:
    r, w = os.pipe()
    os.close(r)
    wait_writable(w)
    os.close(w)


def test_bad_descriptors_are_refused() -> None:
    r, w = os.pipe()
    os.close(r)
    os.close(w)
    for fd in (r, -1):
        with pytest.raises(ValueError, match="is not open"):
            wait_readable(fd)
    with tempfile.TemporaryFile() as file, pytest.raises(ValueError, match="regular files"):
        wait_readable(file)
    with pytest.raises(TypeError, match=r"fileno\(\)"):
        wait_readable("file")  # type: ignore[arg-type]


def test_number_reused_for_another_file(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    victim, peer = socket.socketpair()
    fd = victim.fileno()
    old = spawn(wait_readable, fd)
    settle()
    os.dup2(other.fileno(), fd)  # the old file is closed, its number is another one's
    peer.close()
    new = spawn(wait_readable, fd)
    with pytest.raises(OSError, match="was closed while"):
        old.result()
    assert not new.done()
    one.send(b"x")
    assert new.join()
    victim.close()


def test_forked_child_polls_its_own(pair: tuple[socket.socket, socket.socket]) -> None:
    outcome = run_script(
        "import os, socket, warnings; warnings.simplefilter('ignore')\n"
        "from gleenlet import sleep, spawn, wait_readable, wait_writable\n"
        "a, b = socket.socketpair(); wait_writable(a)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    wait_writable(a); a.send(b'from the child'); os._exit(7)\n"
        "wait_readable(b); print(b.recv(99)); print(os.waitpid(pid, 0)[1] >> 8)"
    )
    assert outcome.stdout == "b'from the child'\n7\n", outcome.stderr


def test_descriptor_that_is_always_ready_leaves_the_loop_its_turns(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    one.send(b"nobody reads this")
    waits, drawn, hub = 0, False, get_hub()

    def wait_and_wait() -> None:
        nonlocal waits
        while not drawn:
            while not hub.must_yield():
                pass  # until the slice is over
            wait_readable(other)
            waits += 1

    def draw() -> None:
        nonlocal drawn
        drawn = True

    task = spawn(wait_and_wait)
    GLib.idle_add(draw)
    assert task.join()
    assert 0 < waits < 100  # no slice went on after its end


# ---- watched ones ----


def test_what_was_waited_for_can_be_watched_and_waited_for_again(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    hub = get_hub()
    seen: list[bytes] = []
    for text in b"1", b"2":
        with pytest.raises(TimeoutError):
            wait_readable(one, timeout=0)
        hub.watch(one, lambda: seen.append(one.recv(10)))
        other.send(text)
        while text not in seen:
            sleep(0)
        hub.unwatch(one)
    assert seen == [b"1", b"2"]


def test_one_watches_or_waits_and_who_comes_second_is_told(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    hub = get_hub()
    seen: list[bytes] = []
    hub.watch(one, lambda: seen.append(one.recv(10)))
    with pytest.raises(GleenletError, match=r"is watched: Hub.unwatch\(\) it"):
        wait_readable(one, timeout=0)
    with pytest.raises(GleenletError, match=r"is watched already: unwatch\(\) it first"):
        hub.watch(one, print)
    for text in b"1", b"2":
        other.send(text)
        while text not in seen:
            sleep(0)
    hub.unwatch(one)

    task = spawn(wait_readable, one)
    sleep(0)
    with pytest.raises(GleenletError, match="a task waits for descriptor"):
        hub.watch(one, print)
    other.send(b"3")
    task.result()


def test_a_number_that_means_another_file_by_now_is_free_to_be_watched_and_waited_for() -> None:
    hub = get_hub()
    seen: list[int] = []

    def again(number: int) -> tuple[int, int]:
        """A pipe whose reading end has this number, which was another file's."""
        os.close(number)
        reader, writer = os.pipe()
        if reader != number:
            os.dup2(reader, number)
            os.close(reader)
        return number, writer

    number, first = os.pipe()
    hub.watch(number, lambda: seen.append(1))
    number, second = again(number)
    waits = spawn(wait_readable, number)
    sleep(0)
    number, third = again(number)
    hub.watch(number, lambda: seen.append(len(os.read(number, 10))))
    with pytest.raises(OSError, match="was closed while a task waited for it"):
        waits.result()
    os.write(third, b"three")
    while not seen:
        sleep(0)
    assert seen == [5]
    hub.unwatch(number)
    for fd in number, first, second, third:
        os.close(fd)


def test_a_closed_socket_is_named() -> None:
    with socket.socket() as one:
        pass
    with pytest.raises(ValueError, match=r"<socket.socket \[closed\].* is closed"):
        wait_readable(one)
