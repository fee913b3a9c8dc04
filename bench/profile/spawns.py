"""Tasks that do nothing, spawned and joined in batches of 100."""

from gleenlet import run, spawn


def nothing() -> None:
    pass


def main(n: int) -> None:
    for _ in range(n // 100):
        for one in [spawn(nothing) for _ in range(100)]:
            one.join()


if __name__ == "__main__":
    import sys

    run(main, int(sys.argv[1]))
