"""What the core reads of CPython's private fields, and what it does where they are not as expected."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from greenlet import greenlet

from child import in_child, run_script
from gleenlet import get_hub, run, sleep, spawn
from gleenlet._core import _native, _slabs, chunk

SOURCE = Path(__file__).with_name("ensure.c")


def test_a_blind_probe_refuses_to_be_imported() -> None:
    outcome = run_script("import gleenlet", env={"GLEENLET_BLIND_PROBE": "1"})
    assert outcome.status == 1
    assert "ImportError: gleenlet cannot see C callbacks on this Python" in outcome.stderr


@pytest.mark.skipif(sys.version_info < (3, 15), reason="PyThreadState_Ensure is new in Python 3.15")
@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_a_callback_through_the_new_api_is_seen(tmp_path: Path) -> None:
    module = tmp_path / f"ensure{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_paths()["include"]
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{include}", "-o", module, SOURCE], check=True)
    program = """
from ensure import call_back
from gleenlet import UnsafeSwitchError, run, sleep
from gleenlet._core import _native

def main():
    outside = _native.callback_depth()
    print("deeper by", call_back(_native.callback_depth) - outside)
    try:
        call_back(lambda: sleep(0.001))
    except UnsafeSwitchError:
        print("refused")
    sleep(0.001)
    print("goes on,", _native.callback_depth() - outside)

run(main)
"""
    outcome = run_script(program, env={"PYTHONPATH": str(tmp_path)})
    assert (outcome.status, outcome.stdout) == (0, "deeper by 1\nrefused\ngoes on, 0\n"), outcome


@pytest.mark.parametrize(("env", "served"), [({}, True), ({"GLEENLET_BLIND_CHUNK": "1"}, False)])
def test_tasks_have_pythons_own_stack_chunks_where_ours_do_not_fit(env: dict[str, str], served: bool) -> None:
    in_child(env=env)(crowd_is_served)(served)


def crowd_is_served(served: bool) -> None:
    def deep(n: int) -> None:
        sleep(0.001) if not n else deep(n - 1)

    def main() -> None:
        tasks = [spawn(deep, 60) for _ in range(50)]
        sleep(0)
        assert (_slabs.slabs() > 0, get_hub()._stack_chunk > 0) == (served, served)
        for task in tasks:
            task.result()

    run(main)


@in_child()
def test_chunks_are_tried_in_a_fresh_greenlet_only() -> None:
    assert not _native.try_stack_chunk(2112, chunk.descend)
    assert greenlet(_native.try_stack_chunk).switch(2112, chunk.descend)
    assert not greenlet(_native.try_stack_chunk).switch(2112, lambda look: None)
