"""Ten pairs of tasks that send 100 bytes there and back on a socket pair."""

import socket

from gleenlet import run, spawn, wait_readable


def receive(end: socket.socket) -> bytes:
    while True:
        try:
            return end.recv(4096)
        except BlockingIOError:
            wait_readable(end)


def server(end: socket.socket) -> None:
    while data := receive(end):
        end.send(data)


def client(end: socket.socket, times: int) -> None:
    for _ in range(times):
        end.send(b"x" * 100)
        receive(end)
    end.close()


def main(n: int) -> None:
    tasks = []
    for _ in range(10):
        one, other = socket.socketpair()
        one.setblocking(False)
        other.setblocking(False)
        tasks += [spawn(server, one), spawn(client, other, n // 10)]
    for task in tasks:
        task.join()


if __name__ == "__main__":
    import sys

    run(main, int(sys.argv[1]))
