"""A producer, a consumer and a queue of 16 between them."""

from gleenlet import Queue, run, spawn


def produce(queue: Queue[int], n: int) -> None:
    for item in range(n):
        queue.put(item)


def consume(queue: Queue[int], n: int) -> None:
    for _ in range(n):
        queue.get()


def main(n: int) -> None:
    queue: Queue[int] = Queue(16)
    for task in [spawn(produce, queue, n), spawn(consume, queue, n)]:
        task.join()


if __name__ == "__main__":
    import sys

    run(main, int(sys.argv[1]))
