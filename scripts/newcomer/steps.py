"""Writes what README and tutorial tell a newcomer to do, in their order, as a shell script: `steps.py README.md ...`.

Every block of `sh` is run, line by line; in the tutorial each block of `python` goes into the file that the text names
last before it. A program that goes on for ever, a server or a window, runs for some seconds.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEBIANS = {"libgirepository1.0-dev": "12", "libgirepository-2.0-dev": "13"}  # whose packages a block is about


def main() -> None:
    readme, tutorial = (Path(path).read_text() for path in sys.argv[1:3])
    print(PREAMBLE)
    blocks = [text for kind, text in BLOCK.findall(readme) if kind == "sh"]
    print("cd ~/gleenlet")
    for line in commands(blocks[0]):
        print(f"try {shlex.quote(line)}")
    for number, block in enumerate(block for block in blocks if "venv" in block):
        debian = next((version for package, version in DEBIANS.items() if package in block), "")
        print(f'if [ -z "{debian}" ] || [ "{debian}" = "$VERSION_ID" ]; then')
        print(f"cp -r ~/fresh ~/install-{number} && cd ~/install-{number}")
        for line in commands(block):
            print(f"try {shlex.quote(line)}")
        print("try '.venv/bin/python -c \"import gleenlet; print(gleenlet.__version__)\"'\nfi")
    print("mkdir ~/tutorial && cd ~/tutorial && export PATH=$HOME/install-0/.venv/bin:$PATH")
    for line in follow(tutorial):
        print(line)
    print('echo "$failed failed"; exit "$failed"')


def commands(block: str) -> list[str]:
    """The lines of a block, without their comments."""
    return [re.sub(r"\s+#.*", "", line) for line in block.splitlines() if line.strip()]


def follow(page: str) -> Iterator[str]:
    """The tutorial's commands and files."""
    name = ""
    end = 0
    for match in BLOCK.finditer(page):
        named = re.findall(r"`(\w+\.py)`", page[end : match.start()])
        name = named[-1] if named else name
        end = match.end()
        kind, text = match.groups()
        if kind == "python":
            yield f"cat > {name} <<'END_OF_FILE'\n{text}END_OF_FILE"
            yield f'echo "-- wrote {name}"'
            continue
        for line in commands(text):
            if line == "python server.py":
                yield f"{line} & echo '$ {line} &'; trap 'kill %1' EXIT"
            elif line.startswith("python fetch.py"):
                yield f"try {shlex.quote('timeout --preserve-status 4 xvfb-run -a ' + line + ' || [ $? = 143 ]')}"
            else:
                yield f"try {shlex.quote(line)}"


PREAMBLE = """#!/bin/bash
# What a newcomer does.
. /etc/os-release
failed=0
try() {
    printf '\\n$ %s\\n' "$1"
    # apt asks whether to go on
    case $1 in
        "sudo apt"*) yes | bash -c "$1" ;;
        *) bash -c "$1" </dev/null ;;
    esac || { failed=$((failed + 1)); echo "FAILED: $1"; }
}
cp -r ~/gleenlet ~/fresh
"""

if __name__ == "__main__":
    main()
