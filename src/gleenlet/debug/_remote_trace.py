"""A trace for who asks from outside: a request to begin recording and one to get the file; no connection is long."""

from __future__ import annotations

import base64
import itertools
import math
import threading
from io import BytesIO
from typing import Any

from gleenlet import GleenletError
from gleenlet.debug._recording import Recorder, newest

__all__ = ["begin_trace", "end_trace"]

LONGEST = 3600.0  # seconds
PATIENCE = 30.0  # seconds that who asks may come late for the file

_begun: dict[int, tuple[Recorder, threading.Timer]] = {}  # with its end
_numbers = itertools.count(1)


def begin_trace(request: dict[str, Any]) -> dict[str, Any]:
    """Record for so many `seconds`; answer with the number to ask for it by."""
    seconds = float(request["seconds"])
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"seconds must be above 0, and {LONGEST:.0f} or less, not {seconds!r}")
    recorder = Recorder(math.inf, 64.0)
    number = next(_numbers)
    ends = threading.Timer(seconds + PATIENCE, forget, (number,))
    ends.daemon = True
    ends.name = "gleenlet.debug trace"
    _begun[number] = recorder, ends
    ends.start()
    return {"trace": number}


def forget(number: int) -> None:
    begun = _begun.pop(number, None)
    if begun is not None:
        begun[0].stop()
        begun[1].cancel()


def end_trace(request: dict[str, Any]) -> dict[str, Any]:
    """The file that it names, in base64: of the `trace` of this number, or, where that is None, of all that is kept."""
    number = request.get("trace")
    if number is None:
        recorder = newest()
        if recorder is None:
            raise GleenletError(
                "it does not record: say for how many --seconds it shall, or have it call debug.record()"
            )
        first = 0
    else:
        try:
            recorder, ends = _begun.pop(number)
        except KeyError:
            raise GleenletError(
                f"it has waited {PATIENCE:.0f} s for somebody to get the trace, and let go of it"
            ) from None
        recorder.stop()
        ends.cancel()
        first = recorder.first
    file = BytesIO()
    lost = recorder.write(file, str(request["file"]), first)
    return {"file": base64.b64encode(file.getbuffer()).decode(), "lost": lost}
