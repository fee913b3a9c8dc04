"""Loads the wheels of the other machine under an emulator: qemu for its instructions, proot for its folders.

`python -m scripts.wheels.emulated dist` prints a line a wheel, and exits with 1 where one does not work. What cannot be
loaded here says so: no Debian has a Python 3.12 for this machine, and none has one for musl.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from .compiler import ROOT
from .headers import DEBIANS, Missing, unpacked
from .targets import TARGETS, Target

# A task, a timer, a queue, a group, a signal's emission, and a switch that would be unsafe: all that is machine code.
PROGRAM = """
import platform, sys
import gleenlet
from gi.repository import GLib, GObject

class Button(GObject.Object):
    clicked = GObject.Signal("clicked")

def main():
    queue, button, seen = gleenlet.Queue(), Button(), []
    button.connect("clicked", lambda *_: seen.append(refused()))
    with gleenlet.TaskGroup() as group:
        group.spawn(lambda: [queue.put(number) for number in range(1000)])
        total = group.spawn(lambda: sum(queue.get() for _ in range(1000)))
        group.spawn(gleenlet.sleep, 0.01)
        waiter = group.spawn(gleenlet.wait_signal, button, "clicked")
        gleenlet.sleep(0)
        button.emit("clicked")
    return total.result(), waiter.result() is not None, seen

def refused():
    try:
        gleenlet.sleep(0.01)
    except gleenlet.UnsafeSwitchError:
        return "refused"

print(gleenlet.run(main), platform.machine(), "Python", sys.version.split()[0], "GLib", GLib.MINOR_VERSION)
assert gleenlet.run(main) == (499500, True, ["refused"])
"""


def load(wheel: Path, target: Target, cache: Path) -> str:
    """Import the wheel and run the program above.

    Returns:
        What it printed.

    Raises:
        headers.Missing: there is no such Python to be had.
        subprocess.CalledProcessError: it failed.
    """
    if target.library == "musl":
        raise Missing("no Debian has a Python for musl")
    if target.python not in DEBIANS:
        raise Missing(f"no Debian has a Python {target.python}")
    root = unpacked(DEBIANS[target.python], target.machine, cache)
    site = root / f"site-{target.python}"
    site.mkdir(exist_ok=True)
    platform = f"manylinux2014_{target.machine}"
    greenlet = ["download", "--quiet", "--no-deps", "--only-binary=:all:", f"--python-version={target.python}"]
    greenlet += [
        f"--platform={platform}",
        "--platform=manylinux_2_28_" + target.machine,
        "--dest",
        str(site),
        "greenlet",
    ]
    subprocess.run([sys.executable, "-m", "pip", *greenlet], check=True, stderr=subprocess.DEVNULL)
    for archive in [wheel, *site.glob("greenlet-*.whl")]:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(site)
    emulator = ["proot", "-q", f"qemu-{target.machine}-static", "-r", str(root), "-b", "/dev", "-b", "/proc", "-w", "/"]
    python = [f"/usr/bin/python{target.python}", "-X", "faulthandler", "-c", PROGRAM]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"/{site.name}", "LC_ALL": "C.UTF-8"}
    ran = subprocess.run([*emulator, *python], check=True, capture_output=True, text=True, env=environment)
    return ran.stdout.strip()


def main() -> int:
    failed = 0
    for target in TARGETS:
        if target.machine == "x86_64" and target.library == "gnu":
            continue  # `make compat` runs all tests with these
        for wheel in Path(sys.argv[1]).glob(f"*-{target}.whl"):
            try:
                print(f"{target}: {load(wheel, target, ROOT / 'build/wheels/pythons')}", flush=True)
            except Missing as reason:
                print(f"{target}: not loaded: {reason}")
            except subprocess.CalledProcessError as error:
                failed = 1
                print(f"{target}: FAILED ({error.returncode}): {error.stderr}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
