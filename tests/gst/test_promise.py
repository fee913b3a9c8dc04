"""promise: the answer, an error as an answer, none at all; from any thread."""

from __future__ import annotations

import threading
from typing import Any

import gi
import pytest

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

from gleenlet import Cancelled, GleenletError, sleep, spawn
from gleenlet.gst import PipelineError, promise

Gst.init(None)


def answer(number: int) -> Gst.Structure:
    result = Gst.Structure.new_empty("answer")
    result.set_value("number", number)
    return result


def test_the_answer_may_come_at_once() -> None:
    reply = promise(lambda number, made: made.reply(answer(number)), 1)
    assert reply is not None
    assert reply.get_value("number") == 1


def test_the_answer_may_come_later_from_another_thread() -> None:
    go = threading.Event()

    def ask(made: Gst.Promise) -> None:
        threading.Thread(target=lambda: go.wait() and made.reply(answer(2))).start()

    asks = spawn(promise, ask)
    sleep(0)
    assert not asks.done()
    go.set()
    assert asks.result().get_value("number") == 2  # type: ignore[union-attr]


def test_an_empty_answer_is_none() -> None:
    assert promise(lambda made: made.reply(None)) is None


def test_an_answer_that_is_an_error_is_raised() -> None:
    def ask(made: Gst.Promise) -> None:
        reply = Gst.Structure.new_empty("application/x-gst-promise-error")
        reply.set_value("error", GLib.Error("no such peer", "some-domain", 3))
        made.reply(reply)

    with pytest.raises(PipelineError, match="no such peer") as caught:
        promise(ask)
    assert f"{caught.value.domain} {caught.value.code}" == "some-domain 3"


def test_a_promise_given_up_is_an_error() -> None:
    def give_up(made: Gst.Promise) -> None:
        made.expire()

    with pytest.raises(GleenletError, match="give_up gave its promise up: there is no answer"):
        promise(give_up)


def test_a_promise_is_interrupted_by_cancel_and_timeout() -> None:
    made: list[Any] = []
    with pytest.raises(TimeoutError):
        promise(made.append, timeout=0.001)
    asks = spawn(promise, made.append)
    sleep(0)
    asks.cancel()
    with pytest.raises(Cancelled):
        asks.result()
    assert [each.wait() for each in made] == [Gst.PromiseResult.INTERRUPTED] * 2


def test_what_the_function_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        promise(lambda made: 1 / 0)
    with pytest.raises(ValueError, match="timeout must be 0 or more seconds, not -1"):
        promise(print, timeout=-1)
