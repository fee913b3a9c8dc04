"""Two tasks and two events: each sets the other's and waits for its own; an operation is one round trip."""

from gleenlet import Event, run, spawn


def player(mine: Event, theirs: Event, times: int) -> None:
    for _ in range(times):
        mine.wait()
        mine.clear()
        theirs.set()


def main(n: int) -> None:
    ping, pong = Event(), Event()
    tasks = [spawn(player, ping, pong, n), spawn(player, pong, ping, n)]
    ping.set()
    for task in tasks:
        task.join()


if __name__ == "__main__":
    import sys

    run(main, int(sys.argv[1]))
