from typing import NamedTuple, final

from gleenlet import Hub, Task

STALL: int
FRAME: int

class Event(NamedTuple):
    number: int
    time: float
    kind: str
    loop: int
    task: int
    by: int
    text: str
    outcome: str

@final
class Tape:
    @property
    def count(self) -> int: ...
    def keep(self, seconds: float, megabytes: float, /) -> None: ...
    def stop(self) -> None: ...
    def mark(self, kind: int, loop: int, task: int, microseconds: int, text: str, /) -> None: ...
    def read(self, first: int, limit: int, /) -> list[Event]: ...

def attach(tape: Tape, hub: Hub, /) -> int: ...
def detach(tape: Tape, hub: Hub, /) -> bool: ...
def names(tape: Tape, hub: Hub, /) -> dict[int, str]: ...
def tally(tape: Tape, task: Task[object], /) -> tuple[int, float | None, int, float, float, float] | None: ...
