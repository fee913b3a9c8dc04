#!/bin/bash
# Instructions an operation, and where they are spent: scripts/profile.sh [yields|spawns|timers|echoes...]
#
# Each program of bench/profile runs twice under callgrind, with n and with 3 n operations; the difference over 2 n
# is the figure, so that start-up and imports are not in it. The timers' share of waiting depends on the clock:
# callgrind is some 50 times slower than the machine, so their loop never sleeps there.
set -euo pipefail
cd "$(dirname "$0")/.."

OUT=$PWD/build/profile
PYTHON=${PYTHON:-.venv/bin/python}
programs=("$@")
[ ${#programs[@]} -eq 0 ] && programs=(yields spawns timers echoes)
n=${OPERATIONS:-2000}
mkdir -p "$OUT"

for program in "${programs[@]}"; do
    for times in 1 3; do
        PYTHONHASHSEED=0 PYTHONPATH=src valgrind -q --tool=callgrind --callgrind-out-file="$OUT/$program.$times" \
            "$PYTHON" "bench/profile/$program.py" $((n * times)) >"$OUT/$program.log" 2>&1
        callgrind_annotate --auto=no --threshold=100 "$OUT/$program.$times" >"$OUT/$program.$times.txt"
    done
    /usr/bin/python3 - "$program" "$OUT/$program.1.txt" "$OUT/$program.3.txt" $((2 * n)) <<'END'
import collections, re, sys

program, short, long, operations = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
GROUPS = [  # the first that fits a line of callgrind's: file:function [library]
    ("our C", r"\[.*/gleenlet/_\w+\."),
    ("greenlet", r"\[.*/_greenlet\."),
    ("GLib, PyGObject", r"\[.*/(libglib|libgobject|libffi|libgirepository|gi/_gi)"),
    ("CPython: memory, GC", r"(obmalloc|gcmodule)\.c:"),
    ("CPython: interpreter", r":_PyEval_EvalFrameDefault"),
    ("CPython: the rest", r"\[.*/(lib)?python[\d.]*(-dbg)?\]|\[.*/lib-dynload/"),
    ("libc", r"\[.*/(libc|ld-linux|libpthread)|vdso"),
]

def read(path):
    counts = collections.Counter()
    for line in open(path):
        found = re.match(r"\s*([\d,]+)\s+\(\s*[\d.]+%\)\s+(.*)", line)
        if found and "PROGRAM TOTALS" not in line:  # '2 marks a function that came back into itself
            counts[re.sub(r"'\d+", "", found[2])] += int(found[1].replace(",", ""))
    return counts

spent = read(long)
spent.subtract(read(short))
groups, functions = collections.Counter(), collections.Counter()
for name, count in spent.items():
    group = next((group for group, pattern in GROUPS if re.search(pattern, name)), "others")
    groups[group] += count
    functions[re.sub(r"^.*/|\s*\[.*", "", re.sub(r"\s*\[.*", "", name))] += count
print(f"\n{program}: {sum(groups.values()) / operations:,.0f} instructions an operation")
for group, count in groups.most_common():
    print(f"  {count / operations:8,.0f}  {100 * count / sum(groups.values()):3.0f} %  {group}")
for name, count in functions.most_common(12):
    print(f"      {count / operations:8,.0f}  {name[:90]}")
END
done
