"""Runs tests in child processes, so that their crashes stay there.

`in_child` is the usual way: the test is code that runs there. What has to be a script of its own `run_script` runs: a
file, or a text where the order of imports, the interpreter's exit, its arguments or a user's program is what is tested.
`started` has a program go on beside the test, which looks into it.

Knows nothing of gleenlet. `python tests/helpers/child.py script.py [args]` shows an outcome by hand.
"""

from __future__ import annotations

import ast
import contextlib
import faulthandler
import functools
import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ParamSpec

P = ParamSpec("P")

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
HAZARDS = TESTS / "hazards"
DESKTOP = dict(line.split("=") for line in (ROOT / "scripts" / "desktop.env").read_text().split())
LIMIT = 180.0  # seconds for what takes one at most: a machine may be slow and busy, and what hangs hangs for ever


@dataclass(frozen=True)
class Outcome:
    """How a child ended."""

    status: int  # exit status; negative: killed by that signal; as subprocess gives it
    stdout: str
    stderr: str
    timed_out: bool = False  # it was still running at the end of its time, and was killed

    @property
    def signal(self) -> signal.Signals | None:
        """The signal that killed it, None if it ended by itself or ran out of time."""
        return signal.Signals(-self.status) if self.status < 0 and not self.timed_out else None

    def __str__(self) -> str:
        if self.timed_out:
            return "still running"
        if self.signal:
            return f"killed by {self.signal.name}"
        return f"exit status {self.status}"


def uncovered(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """An environment whose programs do not measure coverage."""
    return {name: value for name, value in environment.items() if not name.startswith("COVERAGE_PROCESS_")}


def with_helpers() -> dict[str, str]:
    """What to add to the environment of programs that import the files of this folder."""
    return {"PYTHONPATH": os.pathsep.join([str(TESTS / "helpers"), os.environ.get("PYTHONPATH", "")])}


def run_script(
    script: Path | str,
    *args: str,
    timeout: float = LIMIT,
    display: bool = False,
    bus: bool = False,
    env: dict[str, str] | None = None,
    covered: bool = True,
) -> Outcome:
    """Run `script` (a path, or Python text) with this interpreter and return its `Outcome`.

    Args:
        timeout: seconds; what still runs then is killed, with all its children.
        display: give it an X server of its own.
        bus: give it a D-Bus session of its own.
        env: variables to add to the environment.
        covered: False where other tests run the same lines: to measure coverage takes longer than most scripts.
    """
    command = [sys.executable, "-c", script] if isinstance(script, str) else [sys.executable, str(script)]
    command += args
    if bus:
        command = ["dbus-run-session", "--", *command]
    with contextlib.ExitStack() as stack:
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": ""}
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"):
            environment.pop(name, None)
        if display:
            environment |= DESKTOP | {"DISPLAY": stack.enter_context(x_server())}
        if not bus:
            environment["DBUS_SESSION_BUS_ADDRESS"] = "disabled:"
        environment |= env or {}
        if not covered:
            environment = uncovered(environment)
        # Files, not pipes: a grandchild that outlives the child would keep a pipe open.
        out = stack.enter_context(tempfile.TemporaryFile())
        err = stack.enter_context(tempfile.TemporaryFile())
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        timed_out = False
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            os.killpg(process.pid, signal.SIGABRT)  # faulthandler, where it is on, says where it hangs
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        err.seek(0)
        stderr = re.sub(r"^MESA-.*\n", "", err.read().decode(), flags=re.MULTILINE)  # the display's driver
        return Outcome(process.returncode, out.read().decode(), stderr, timed_out)


@contextlib.contextmanager
def started(program: str, *args: str, debug: str) -> Iterator[tuple[int, IO[str]]]:
    """A program that has printed "ready" and goes on until the block ends: its process, and what it prints.

    Args:
        debug: its GLEENLET_DEBUG.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", program, *args],
        env=os.environ | {"GLEENLET_DEBUG": debug, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child.pid, child.stdout
    finally:
        child.kill()
        child.communicate()


def in_child(**options: Any) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Have a test run in a child process, which must end well and print nothing unexpected.

    The child runs the test function alone, with what it refers to of its file: imports, helpers, constants. Its
    parameters are given as `repr()` says them.

    Args:
        options: as for `run_script`; `says`: what it must print, as `matches` takes it; `warns`: the same for
            standard error, which is not looked at otherwise; `first`: statements that come before all imports;
            `status`: how it has to end, or a tuple of several ways; 0 if nothing is said.
    """
    says, warns, first = options.pop("says", ""), options.pop("warns", None), options.pop("first", "")
    status = options.pop("status", 0)

    def decorate(test: Callable[P, None]) -> Callable[P, None]:
        path = inspect.getsourcefile(test)

        @functools.wraps(test)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            call = f"child.run_function({path!r}, {test.__name__!r}, {args!r}, {kwargs!r})"
            script = f"{first}\nimport child\nfrom pathlib import PosixPath\n{call}"  # as tmp_path's repr() says
            outcome = run_script(script, **{**options, "env": with_helpers() | options.get("env", {})})
            assert outcome.status in (status if isinstance(status, tuple) else (status,)), (
                f"{outcome}\n{outcome.stdout}\n{outcome.stderr}"
            )
            assert matches(says, outcome.stdout), outcome.stdout
            assert warns is None or matches(warns, outcome.stderr), outcome.stderr

        return run

    return decorate


def run_function(path: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """In the child: run one function of a file with nothing of that file but what it refers to."""
    faulthandler.enable()  # says where it hangs, if it does
    tree = ast.parse(Path(path).read_text())
    bound: dict[str, list[ast.stmt]] = {}  # `import gevent.event` binds gevent as well
    for node in tree.body:
        for bound_name in names_bound_by(node):
            bound.setdefault(bound_name, []).append(node)
    needed: set[ast.stmt] = {
        node
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "__future__"
    } | gi_requirements(tree)
    pending = [name]
    while pending:
        for found in bound.pop(pending.pop(), []):
            needed.add(found)
            if isinstance(found, ast.FunctionDef) and found.name == name:
                found.decorator_list = []  # what brought it here
            pending += [part.id for part in ast.walk(found) if isinstance(part, ast.Name)]
    tree.body = [node for node in tree.body if node in needed]
    scope: dict[str, Any] = {"__name__": "__main__", "__file__": path}
    exec(compile(tree, path, "exec"), scope)
    scope[name](*args, **kwargs)


def names_bound_by(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def gi_requirements(tree: ast.Module) -> set[ast.stmt]:
    """The statements that choose versions, and the import that they need."""
    chosen = {node for node in tree.body if ast.unparse(node).startswith("gi.require_version(")}
    return chosen | {node for node in tree.body if chosen and ast.unparse(node) == "import gi"}


def matches(expected: str, actual: str) -> bool:
    """Whether `actual` is `expected`, in which `...` stands for anything, line ends included."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
    return re.fullmatch(pattern, actual.strip(), re.DOTALL) is not None


@contextlib.contextmanager
def x_server() -> Iterator[str]:
    """An Xvfb of our own; yields the name of its display."""
    if not shutil.which("Xvfb"):
        raise FileNotFoundError("Xvfb is not installed: apt install xvfb")
    read_fd, write_fd = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write_fd), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"],
        pass_fds=[write_fd],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write_fd)
    try:
        with os.fdopen(read_fd) as numbers:
            number = numbers.readline().strip()  # written once the server accepts clients
        if not number:
            raise RuntimeError("Xvfb did not start")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    outcome = run_script(Path(sys.argv[1]), *sys.argv[2:])
    print(outcome.stdout, outcome.stderr, outcome, sep="\n")
