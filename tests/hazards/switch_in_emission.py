"""The same handlers on tasks: the first that wants to block gets UnsafeSwitchError instead of a crash.

switch_in_emission_green.py is the program that the error suggests.
"""

import sys
from types import TracebackType

from gi.repository import GLib, GObject

import gleenlet

loop = GLib.MainLoop()
errors: list[BaseException] = []


class Account(GObject.Object):
    balance = GObject.Property(type=int, default=0)

    @GObject.Signal(arg_types=(int,))
    def moved(self, amount: int) -> None:
        pass


def on_moved(_account: Account, amount: int) -> None:
    gleenlet.sleep((1 + amount % 7) / 1000)


def on_balance(_account: Account, _pspec: GObject.ParamSpec) -> None:
    gleenlet.sleep(0.001)


def worker(k: int) -> None:
    for i in range(200):
        account = accounts[(k * 7 + i) % len(accounts)]
        account.emit("moved", i * k)
        account.balance = i


def stop(_kind: type[BaseException], error: BaseException, _traceback: TracebackType | None) -> None:
    # PyGObject gives what a handler raises to sys.excepthook and goes on with the emission.
    errors.append(error)
    loop.quit()


accounts = [Account() for _ in range(10)]
for account in accounts:
    account.connect("moved", on_moved)
    account.connect("notify::balance", on_balance)
for k in range(20):
    gleenlet.spawn(worker, k)
GLib.timeout_add(3000, loop.quit)
sys.excepthook = stop
loop.run()
sys.excepthook = sys.__excepthook__
if errors:
    raise errors[0]
print("alive, and nothing was refused")
