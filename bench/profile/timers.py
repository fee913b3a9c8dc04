"""A hundred tasks that sleep 10 us each time."""

from gleenlet import run, sleep, spawn


def task(times: int) -> None:
    for _ in range(times):
        sleep(10e-6)


def main(n: int) -> None:
    for one in [spawn(task, n // 100) for _ in range(100)]:
        one.join()


if __name__ == "__main__":
    import sys

    run(main, int(sys.argv[1]))
