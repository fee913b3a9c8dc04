"""The same Gtk window, its tiles computed by a Dask cluster: a local one here.

Output:
48 tiles, and ... frames drawn meanwhile
"""

from distributed import Client, LocalCluster
from mandelbrot import show

from gleenlet import run, to_thread


def start() -> Client:
    return Client(LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None))


if __name__ == "__main__":
    with run(to_thread, start) as client:  # Client("tcp://scheduler:8786") for one that runs on other machines
        show(lambda func, *args: client.submit(func, *args))
