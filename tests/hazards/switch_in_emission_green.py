"""The same handlers connected through `green`: each emission starts a task, which may block."""

from gi.repository import GLib, GObject

import gleenlet

loop = GLib.MainLoop()
handled = 0


class Account(GObject.Object):
    balance = GObject.Property(type=int, default=0)

    @GObject.Signal(arg_types=(int,))
    def moved(self, amount: int) -> None:
        pass


def on_moved(_account: Account, amount: int) -> None:
    global handled
    gleenlet.sleep((1 + amount % 7) / 1000)
    handled += 1


def on_balance(_account: Account, _pspec: GObject.ParamSpec) -> None:
    global handled
    gleenlet.sleep(0.001)
    handled += 1


def worker(k: int) -> None:
    for i in range(200):
        account = accounts[(k * 7 + i) % len(accounts)]
        account.emit("moved", i * k)
        account.balance = -1 - i - 200 * k  # another value each time, so each is notified
        gleenlet.sleep(0.001)


def wait_for_all() -> None:
    for task in workers:
        task.join()
    while handled < 20 * 200 * 2:
        gleenlet.sleep(0.01)
    loop.quit()


accounts = [Account() for _ in range(10)]
for account in accounts:
    account.connect("moved", gleenlet.green(on_moved))
    account.connect("notify::balance", gleenlet.green(on_balance))
workers = [gleenlet.spawn(worker, k) for k in range(20)]
gleenlet.spawn(wait_for_all)
GLib.timeout_add_seconds(30, loop.quit)
loop.run()
print(f"alive, {handled} emissions handled")
