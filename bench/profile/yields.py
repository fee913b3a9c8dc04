"""Ten tasks that yield."""

from gleenlet import run, sleep, spawn


def task(times: int) -> None:
    for _ in range(times):
        sleep(0)


def main(n: int) -> None:
    for one in [spawn(task, n // 10) for _ in range(10)]:
        one.join()


if __name__ == "__main__":
    import sys

    run(main, int(sys.argv[1]))
