"""What is measured: the peers, and the rows of the tables with the workload behind each."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

# Each peer with the module that must be importable for it. libdex is C and is asked for with pkg-config;
# "GLib" is the same work in plain callbacks, the floor under all that run on GLib; "idle" is a window with
# no load beside it.
MODULES = {
    "gleenlet": "gleenlet",
    "greenlet": "greenlet",
    "gevent": "gevent",
    "asyncio": "asyncio",
    "gi.events": "gi.events",
    "uvloop": "uvloop",
    "trio": "trio",
    "libdex": None,
    "GLib": "gi",
    "idle": "gi",
    "gleenlet.gevent": "gleenlet.gevent",
    "gleenlet.asyncio": "gleenlet.asyncio",
    "gleenlet.dbus": "gleenlet.dbus",
    "Gio in C": "gi",
    "dbus-fast": "dbus_fast",
    "sdbus": "sdbus",
    "dasbus": "dasbus",
    "recorder on": "gleenlet.debug",
    "watchdog on": "gleenlet.debug",
}
# gleenlet.gevent and gleenlet.asyncio run others' code; in the main table they are measured when --peers names them.
PEERS = tuple(MODULES)[: tuple(MODULES).index("idle") + 1]

SESSION_BUS = ("dbus-run-session", "--")
# Gio and the bus answer from another thread or process. On a second CPU each answer waits for that to wake up: tens of
# microseconds that are nobody's cost, and more for whoever is the first to sleep.
ONE_CPU = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))
DISPLAY = ("xvfb-run", "-a")


@dataclass(frozen=True)
class Row:
    """One figure of one workload. Rows of the same workload and variant share their processes."""

    key: str
    title: str
    workload: str
    variant: str | None = None
    figure: str = "time"
    unit: str = "ns"
    most_repeats: int = 100
    quick: bool = True  # part of --quick
    within: tuple[str, ...] = ()  # the command that provides what the workload needs

    @property
    def more_is_better(self) -> bool:
        return self.unit == "count"


ROWS = (
    Row("yield", "yield, ten tasks", "yields"),
    Row("yield_tested", "... after gleenlet.testing was used", "yields", "tested"),
    Row("ping_pong", "two events, one round trip", "ping_pong"),
    Row("spawn_join", "spawn and join, batches of 100", "spawn_join"),
    Row("spawn_nested", "spawn and join, nested 100 deep", "spawn_nested"),
    Row("sleepers_1k", "1,000 sleepers, CPU time a task", "sleepers", "1000"),
    Row("sleepers_10k", "10,000 sleepers, CPU time a task", "sleepers", "10000", most_repeats=3, quick=False),
    Row(
        "sleepers_100k",
        "100,000 sleepers, CPU time a task",
        "sleepers",
        "100000",
        most_repeats=3,
        quick=False,
    ),
    Row("timers", "sleep of 10 us, 100 tasks", "timers"),
    Row("timeouts", "timeout set and cancelled", "timeouts"),
    Row("queue", "item through a queue of 16", "queue_items"),
    Row("lock", "uncontended lock", "locks"),
    Row("idle_10", "message, 50 busy and 10 idle sockets", "descriptors", "10"),
    Row("idle_1k", "message, 50 busy and 1,000 idle", "descriptors", "1000"),
    Row("idle_10k", "message, 50 busy and 10,000 idle", "descriptors", "10000", most_repeats=3, quick=False),
    Row("echo", "echo over sockets or streams, request", "echo", "streams"),
    Row("echo_p50", "... latency p50", "echo", "streams", "p50"),
    Row("echo_p99", "... latency p99", "echo", "streams", "p99"),
    Row("echo_load", "... CPU use of the client", "echo", "streams", "client_load", "share"),
    Row(
        "protocols",
        "echo over sockets or protocols, request",
        "echo",
        "protocols",
        most_repeats=3,
        quick=False,
    ),
    Row("protocols_p50", "... latency p50", "echo", "protocols", "p50", quick=False),
    Row("protocols_p99", "... latency p99", "echo", "protocols", "p99", quick=False),
    Row(
        "protocols_load",
        "... CPU use of the client",
        "echo",
        "protocols",
        "client_load",
        "share",
        quick=False,
    ),
    Row("wakeup", "round trip with a thread", "wakeups"),
    Row("gio_call", "Gio call: size of a local file", "gio_calls", within=ONE_CPU),
    Row("dbus_call", "D-Bus call: id of the bus", "dbus_calls", within=(*ONE_CPU, *SESSION_BUS)),
    Row("memory", "memory of a sleeping task", "memory", figure="memory", unit="bytes"),
    Row("schedule", "explored schedule of five tasks, CPU time", "schedules"),
    Row("await_done", "await_ of a done future", "awaits", "finished"),
    Row("await_coro", "await_ of a coroutine that ends at once", "awaits", "coroutine"),
    Row("import", "import", "startup", figure="import"),
    Row("first_task", "import and run a first task", "startup", figure="first_task"),
    Row("imported", "iteration of an application, imported", "bystander", "imported"),
    Row("used", "... after a first task", "bystander", "used"),
    Row("asleep", "... beside a sleeping task", "bystander", "asleep"),
)

BUSY = functools.partial(Row, workload="gtk_load", variant="busy", most_repeats=3, within=DISPLAY)
BURN = functools.partial(Row, workload="gtk_load", variant="burn", most_repeats=3, within=DISPLAY)
SIMMER = functools.partial(Row, workload="gtk_load", variant="simmer", most_repeats=3, within=DISPLAY)
SPIN = functools.partial(Row, workload="gtk_load", variant="spin", most_repeats=3, within=DISPLAY)
FRAMES = functools.partial(Row, workload="gtk_load", variant="frames", most_repeats=3, within=DISPLAY)
PAIRS = functools.partial(Row, workload="gtk_load", variant="pairs", most_repeats=3, within=DISPLAY)
GTK_ROWS = (
    BUSY("busy_frames", "1,000 tasks, timers, echo: frames in 3 s", figure="frames", unit="count"),
    BUSY("busy_gap_p50", "... gap between frames p50", figure="gap_p50"),
    BUSY("busy_gap_p99", "... gap between frames p99", figure="gap_p99"),
    BUSY("busy_input_p50", "... input event to handler p50", figure="input_p50"),
    BUSY("busy_input_p99", "... input event to handler p99", figure="input_p99"),
    BUSY("busy_steps", "... steps of the tasks a second", figure="steps", unit="count"),
    BUSY("busy_timers", "... timers a second, of 1,000", figure="timers", unit="count"),
    BUSY("busy_echoes", "... echoes a second", figure="echoes", unit="count"),
    BURN("burn_frames", "100 tasks burn 0.2 ms: frames in 3 s", figure="frames", unit="count"),
    BURN("burn_input_p99", "... input event to handler p99", figure="input_p99"),
    BURN("burn_steps", "... steps of the tasks a second", figure="steps", unit="count"),
    SIMMER("simmer_frames", "100 tasks burn 20 us: frames in 3 s", figure="frames", unit="count"),
    SIMMER("simmer_steps", "... steps of the tasks a second", figure="steps", unit="count"),
    SPIN("spin_frames", "100 tasks that yield: frames in 3 s", figure="frames", unit="count"),
    SPIN("spin_ticks", "... ticks a second of a 60 Hz timer", figure="ticks", unit="count"),
    FRAMES("loop_frames", "... in a loop over frames(): frames in 3 s", figure="frames", unit="count"),
    FRAMES("loop_steps", "... steps of the tasks a second", figure="steps", unit="count"),
    PAIRS("pairs_frames", "ten pairs on sockets: frames in 3 s", figure="frames", unit="count"),
    PAIRS("pairs_echoes", "... echoes a second", figure="echoes", unit="count"),
    PAIRS("pairs_share", "... of those without redraws", figure="share", unit="share"),
)
GTK_PEERS = ("gleenlet", "gi.events", "gleenlet.gevent", "gleenlet.asyncio", "idle")

GUEST = functools.partial(Row, workload="guest")
GUEST_ROWS = (
    GUEST("guest_switch", "yield, ten greenlets", variant="switch"),
    GUEST("guest_spawn", "spawn and join, batches of 100", variant="spawn"),
    GUEST("guest_timers", "sleep of 10 us, 100 greenlets", variant="timers"),
    GUEST("guest_echo_50", "echo, 50 connections, request", variant="echo_50"),
    GUEST("guest_echo_1", "echo, one connection, request", variant="echo_1"),
    GUEST("guest_idle_add", "idle_add from a greenlet, until it ran", variant="idle_add"),
)
GUEST_PEERS = ("gleenlet.gevent", "gevent")

ASYNCIO_ROWS = (
    Row("loop_yield", "yield, ten tasks", "yields"),
    Row("loop_later", "call_later of 10 us", "call_later"),
    Row("loop_echo", "echo over streams, request", "echo", "streams"),
    Row("loop_echo_p99", "... latency p99", "echo", "streams", "p99"),
    Row("loop_protocols", "echo over protocols, request", "echo", "protocols"),
)
ASYNCIO_PEERS = ("gleenlet.asyncio", "asyncio", "gi.events", "uvloop")

DBUS = functools.partial(Row, workload="dbus_echo", within=SESSION_BUS)
DBUS_CONVERT_ROWS = (
    Row("dbus_pack", "arguments (si) packed", "dbus_convert", "pack_si"),
    Row("dbus_unpack", "... unpacked", "dbus_convert", "unpack_si"),
    Row("dbus_pack_strings", "a hundred strings packed", "dbus_convert", "pack_strings"),
    Row("dbus_unpack_strings", "... unpacked", "dbus_convert", "unpack_strings"),
)
DBUS_CALL_ROWS = tuple(
    DBUS(f"dbus_{side}_{n}{key}", title.format(side, f"{n:,}"), variant=f"{side}_{n}", figure=figure)
    for side in ("client", "service")
    for n in (1, 100, 1000)
    for key, title, figure in (
        ("", "{} of {} at once, time a call", "time"),
        ("_cpu", "... CPU time a call", "cpu"),
        ("_p50", "... latency p50", "p50"),
        ("_p99", "... latency p99", "p99"),
    )
)
DBUS_PEERS = ("gleenlet.dbus", "GLib", "Gio in C", "dbus-fast", "sdbus", "dasbus")

DEBUG_ROWS = (
    Row("debug_yield", "yield, ten tasks", "yields"),
    Row("debug_events", "two events, one round trip", "ping_pong"),
    Row("debug_spawn", "spawn and join, batches of 100", "spawn_join"),
)
DEBUG_PEERS = ("gleenlet", "recorder on", "watchdog on")

# Each table has its rows and its peers; the first of these is what the others are compared with.
TABLES = {
    "main": (ROWS, PEERS),
    "gtk": (GTK_ROWS, GTK_PEERS),
    "gevent": (GUEST_ROWS, GUEST_PEERS),
    "asyncio": (ASYNCIO_ROWS, ASYNCIO_PEERS),
    "dbus": (DBUS_CONVERT_ROWS + DBUS_CALL_ROWS, DBUS_PEERS),
    "debug": (DEBUG_ROWS, DEBUG_PEERS),
}

# The chart shows these, under these names.
CHART = {
    "yield": "yield",
    "ping_pong": "two events, round trip",
    "spawn_join": "spawn and join",
    "sleepers_10k": "10,000 sleepers",
    "timers": "short sleeps",
    "timeouts": "timeout, cancelled",
    "queue": "item through a queue",
    "idle_1k": "message beside 1,000 idle sockets",
    "echo": "echo, per request",
    "memory": "memory of a sleeping task",
}
