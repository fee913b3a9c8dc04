"""A greenlet blocks inside a signal handler that it triggered itself.

GObject links all running emissions in a list whose nodes lie on the C stack. The switch copies that piece
of the stack away, and the next emission, anywhere, follows a pointer into what lies there now.
"""

from gi.repository import GLib, GObject
from greenlet import getcurrent, greenlet

loop = GLib.MainLoop()
loop_greenlet = getcurrent()


class Account(GObject.Object):
    balance = GObject.Property(type=int, default=0)

    @GObject.Signal(arg_types=(int,))
    def moved(self, amount: int) -> None:
        pass


def sleep(milliseconds: int) -> None:
    me = getcurrent()
    GLib.timeout_add(milliseconds, lambda: (me.switch(), False)[1])
    loop_greenlet.switch()


def on_moved(_account: Account, amount: int) -> None:
    sleep(1 + amount % 7)


def on_balance(_account: Account, _pspec: GObject.ParamSpec) -> None:
    sleep(1)


def worker(k: int) -> None:
    for i in range(200):
        account = accounts[(k * 7 + i) % len(accounts)]
        account.emit("moved", i * k)
        account.balance = i


accounts = [Account() for _ in range(10)]
for account in accounts:
    account.connect("moved", on_moved)
    account.connect("notify::balance", on_balance)
workers = [greenlet(worker) for _ in range(20)]
for k, w in enumerate(workers):
    GLib.idle_add(lambda w=w, k=k: (w.switch(k), False)[1])
GLib.timeout_add(3000, loop.quit)
loop.run()
print("alive")
