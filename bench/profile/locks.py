"""A lock nobody else wants."""

from gleenlet import Lock, run


def main(n: int) -> None:
    lock = Lock()
    for _ in range(n):
        with lock:
            pass


if __name__ == "__main__":
    import sys

    run(main, int(sys.argv[1]))
