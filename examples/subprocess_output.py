"""A child process whose output is read line by line while it runs: each line is answered, none is polled for.

Output:
child: 1 bottle?
child: 2 bottles?
child: 3 bottles?
meanwhile: ... turns of another task
status 7
"""

from gi.repository import Gio, GLib

from gleenlet import call, run, sleep, spawn

SCRIPT = 'echo "1 bottle?"; read yes; echo "2 bottles?"; read yes; echo "3 bottles?"; read yes; exit 7'

turns = 0


def meanwhile() -> None:
    global turns
    while True:
        turns += 1
        sleep(0.001)


def main() -> None:
    task = spawn(meanwhile)
    child = Gio.Subprocess.new(["sh", "-c", SCRIPT], Gio.SubprocessFlags.STDIN_PIPE | Gio.SubprocessFlags.STDOUT_PIPE)
    lines = Gio.DataInputStream.new(child.get_stdout_pipe())
    text = Gio.DataInputStream.read_line_finish_utf8
    while (line := call(lines.read_line_async, finish=text)[0]) is not None:
        print("child:", line)
        call(child.get_stdin_pipe().write_bytes_async, GLib.Bytes.new(b"yes\n"))
    call(child.wait_async)
    task.cancel()
    print("meanwhile:", turns, "turns of another task")
    print("status", child.get_exit_status())


run(main)
