#!/bin/bash
# Runs the tests on other Pythons and Debians and prints a table: scripts/compat.sh [ROW...] [-- PYTEST ARGUMENT...]
#
# A row is an environment under .compat/, made once and kept; remove its folder to have it made anew. Every row gets
# a copy of the work tree of its own. A row that cannot be had says why; a row that fails leaves .compat/log/ROW.log.
#
# With WHEELS=FOLDER the row's wheel out of that folder is installed and its tests run without the sources beside them.
set -uo pipefail
cd "$(dirname "$0")/.."

WHEELS=${WHEELS:+$(realpath "$WHEELS")}

HERE=$(realpath -m .compat)
ROWS=(python3.12 python3.13 python3.14 bookworm trixie sid sid-python3.15)
DESKTOP=(env -u WAYLAND_DISPLAY PYTHONFAULTHANDLER=1 $(<scripts/desktop.env) GLEENLET_WERROR=1
    xvfb-run -a -s "-screen 0 1280x1024x24 -nolisten tcp" dbus-run-session --)
CHROOT_PACKAGES=(
    ca-certificates gcc libc6-dev make pkg-config procps
    python3 python3-dev python3-pip python3-setuptools python3-wheel python3-venv
    python3-gi python3-gi-cairo python3-greenlet python3-gevent python3-pytest python3-pytest-cov python3-pytest-xdist python3-pytest-timeout
    python3-hypothesis python3-xlib
    python3-trio python3-aiohttp python3-httpx python3-websockets python3-aiosqlite python3-sqlalchemy
    python3-requests python3-flask python3-uvicorn python3-rich
    gir1.2-gtk-4.0 gir1.2-gtk-3.0 gir1.2-adw-1 gir1.2-soup-3.0 gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
    gstreamer1.0-plugins-base gir1.2-dex-1
    xvfb xauth dbus-daemon dbus-bin libglib2.0-bin systemd python3-dbusmock adwaita-icon-theme fonts-dejavu-core fonts-cantarell
    nodejs sysprof
)
PYTHON_PACKAGES=(
    pytest pytest-cov pytest-timeout pytest-xdist python-xlib hypothesis aiohttp aiosqlite dbus-fast distributed flask httpx perfetto requests rich "sqlalchemy[asyncio]" trio uvicorn websockets
)
VERSIONS='
import sys, warnings
warnings.simplefilter("ignore")
import gi, greenlet
from gi.repository import GLib
for version in sys.version_info[:3], gi.version_info, GLib.glib_version:
    print(".".join(map(str, version)), end=" ")
print(greenlet.__version__)'

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

rows=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    rows+=("$1")
    shift
done
[ $# -gt 0 ] && shift
pytest=(-m pytest -q -p no:cacheprovider "$@")
# As scripts/tests.sh does: those of gleenlet.testing want a process of their own.
RUN='exec "$@"'
[ $# -gt 0 ] || RUN='failed=0; "$@" --ignore=tests/testing || failed=1; "$@" tests/testing || failed=1; exit $failed'
[ ${#rows[@]} -eq 0 ] && rows=("${ROWS[@]}")

sum() { # of pytest's last lines
    grep -oE '[0-9]+ (failed|passed|errors?|skipped)' | awk '{ n[$2] += $1 } END {
        split("failed passed error errors skipped", words)
        for (i = 1; i <= 5; i++) if (n[words[i]]) line = line (line ? ", " : "") n[words[i]] " " words[i]
        print line
    }'
}

no() { # why this row cannot be had
    echo "$*" >"$HERE/$row.why"
    return 1
}

copy_tree() { # the work tree without what git ignores, to $1; with WHEELS a wheel for the Python $2 in place of src
    rm -rf "$1" && mkdir -p "$1" && git ls-files -z --cached --others --exclude-standard |
        tar --create --null --files-from=- --ignore-failed-read 2>/dev/null | tar --extract --directory "$1" || return
    [ -n "$WHEELS" ] || return 0
    rm -rf "$1/src" && cp "$WHEELS"/*-cp"${2/./}"-manylinux*_"$(uname -m)".whl "$1/" || no "$WHEELS has no wheel for $2"
}

# What pip installs, in the copy of the tree: the one wheel that copy_tree put there, or the sources where they are.
SOURCE='[ -d src ] && echo "-e ." || echo "--force-reinstall $(echo *.whl)"'
version_of() { "$@" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

find_python() { # a working python$1: on the PATH, else one of pyenv's
    local python
    for python in "$(command -v "python$1")" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/"python$1"; do
        if [ -x "$python" ] && "$python" -c '' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    return 1
}

venv_row() { # $1: greenlet; the venv is there
    local pip=(env PYTHONWARNINGS=ignore "$HERE/$row/venv/bin/pip" --disable-pip-version-check) tree=$HERE/$row/tree
    if [ ! -e "$HERE/$row/complete" ]; then
        "${pip[@]}" install 'setuptools>=77' "$1" "${@:2}" "${PYTHON_PACKAGES[@]}" || no "pip failed: see the log" || return
        "${pip[@]}" install "$1" gevent || "${pip[@]}" uninstall -y gevent # tests of gevent skip without it
        touch "$HERE/$row/complete"
    fi
    copy_tree "$tree" "$(version_of "$HERE/$row/venv/bin/python")" && cd "$tree" || return
    # shellcheck disable=SC2046 # one or two words
    GLEENLET_WERROR=1 "${pip[@]}" install --no-build-isolation --no-deps $(eval "$SOURCE") ||
        no "the build failed: see the log" || return
    "$HERE/$row/venv/bin/python" -c "$VERSIONS" >"$HERE/$row.versions" || return
    PATH=$HERE/$row/venv/bin:$PATH "${DESKTOP[@]}" bash -c "$RUN" bash python "${pytest[@]}"
}

python_row() { # PyGObject from PyPI on a python of this machine
    local python version=${row#python}
    if [ ! -e "$HERE/$row/complete" ]; then
        python=$(find_python "$version") || no "no $row on this machine" || return
        "$python" -m venv --clear "$HERE/$row/venv" || no "$python has no venv" || return
    fi
    venv_row 'greenlet>=3.0' "$(scripts/pygobject_requirement.sh)"
}

bookworm_row() { # the oldest of all: Debian 12's own python3-gi, 3.42, and greenlet 3.0
    if [ ! -e "$HERE/$row/complete" ]; then
        /usr/bin/python3 -c 'import gi; assert gi.version_info < (3, 43)' 2>/dev/null ||
            no "this machine is not Debian 12, or has no python3-gi" || return
        /usr/bin/python3 -m venv --clear --system-site-packages "$HERE/$row/venv" || return
    fi
    venv_row 'greenlet==3.0.*'
}

chroot_row() { # a Debian of its own, all from Debian packages; DEBIAN-PYTHON: with a Python that is not its default
    local debian=${row%%-*} python=python3 packages=("${CHROOT_PACKAGES[@]}")
    local root=$HERE/$debian options=()
    [ "$debian" = "$row" ] || python=${row#*-}
    [ "$debian" = sid ] && packages+=(python3.15 python3.15-dev)
    if [ ! -e "$root/complete" ]; then
        command -v mmdebstrap >/dev/null || no "mmdebstrap is missing: scripts/debian_packages.sh compat" || return
        # An archive that is a snapshot has a Release file past its date.
        [ "$debian" = sid ] && options=(--aptopt='Acquire::Check-Valid-Until "false"')
        # A new base-passwd under an old mmdebstrap leaves no users.
        options+=(--essential-hook='for file in passwd group; do
            [ -e "$1/etc/$file" ] || cp "$1/usr/share/base-passwd/$file.master" "$1/etc/$file"; done')
        "${as_root[@]}" rm -rf --one-file-system "$root"
        "${as_root[@]}" mmdebstrap --variant=apt "${options[@]}" \
            --include="$(IFS=, && echo "${packages[*]}")" "$debian" "$root" || no "mmdebstrap failed: see the log" || return
        "${as_root[@]}" touch "$root/complete"
    fi
    [ -x "$root/usr/bin/$python" ] || no "$debian has no $python: remove .compat/$debian to make it anew" || return
    copy_tree "$HERE/$row.tree" "$(version_of "${as_root[@]}" chroot "$root" "/usr/bin/$python")" || return
    # Mounts live in a namespace of their own and end with it.
    local variables=(ROOT="$root" TREE="$HERE/$row.tree" VERSIONS="$VERSIONS" PYTHON="$python" SOURCE="$SOURCE")
    "${as_root[@]}" env "${variables[@]}" unshare --mount --pid --fork --kill-child bash -euc '
        mkdir -p "$ROOT/gleenlet"
        rm -rf "$ROOT/gleenlet/"* && cp -a "$TREE/." "$ROOT/gleenlet/" && chown -R root: "$ROOT/gleenlet"
        mount -t proc proc "$ROOT/proc"
        mount --rbind /dev "$ROOT/dev"
        mount -t tmpfs tmpfs "$ROOT/tmp"
        # Not exec: Xvfb does not say that it is ready to a parent whose process id is 1.
        chroot "$ROOT" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin VERSIONS="$VERSIONS" PYTHON="$PYTHON" SOURCE="$SOURCE" \
            bash -euc "cd /gleenlet; \
                GLEENLET_WERROR=1 \$PYTHON -m pip install -q --root-user-action=ignore --break-system-packages --no-index \
                    --no-build-isolation --no-deps \$(eval \"\$SOURCE\"); \
                \$PYTHON -c \"\$VERSIONS\" >/versions; exec \"\$@\"" bash "$@" || exit
    ' bash "${DESKTOP[@]}" bash -c "$RUN" bash "$python" "${pytest[@]}"
    local status=$?
    cp "$root/versions" "$HERE/$row.versions" 2>/dev/null
    return $status
}

mkdir -p "$HERE/log"
failed=0
table=$(printf '%-14s %-8s %-10s %-8s %-9s %s' row Python PyGObject GLib greenlet result)
for row in "${rows[@]}"; do
    log=$HERE/log/$row.log
    mkdir -p "$HERE/$row"
    rm -f "$HERE/$row.why" "$HERE/$row.versions" "$HERE/$row/versions"
    echo "== $row"
    case $row in
    python3.*) run=python_row ;;
    bookworm) run=bookworm_row ;;
    *) run=chroot_row ;;
    esac
    ("$run") </dev/null >"$log" 2>&1
    status=$?
    if [ -e "$HERE/$row.why" ]; then
        result="not run: $(cat "$HERE/$row.why")"
    else
        result=$(grep -E '^(=+ )?[0-9]+ (passed|failed|error|skipped|deselected)|no tests ran' "$log" | sum)
        result=${result:-"see .compat/log/$row.log"}
        [ $status -eq 0 ] || result="FAILED ($status): $result"
    fi
    case $result in FAILED* | *"see the log"*) failed=1 && tail -15 "$log" ;; esac
    read -r python pygobject glib greenlet < <(cat "$HERE/$row.versions" 2>/dev/null || echo - - - -)
    table+=$'\n'$(printf '%-14s %-8s %-10s %-8s %-9s %s' "$row" "$python" "$pygobject" "$glib" "$greenlet" "$result")
done
echo
echo "$table"
exit $failed
