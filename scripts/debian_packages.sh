#!/bin/bash
# Installs the Debian packages of a purpose: setup, check-native, asyncio-suite, compat, dist. Asks the network only if one is missing.
set -euo pipefail

. /etc/os-release
girepository=libgirepository-2.0-dev
sysprof=sysprof # with sysprof-cat
[ "${VERSION_ID:-}" = 12 ] && girepository=libgirepository1.0-dev sysprof=libsysprof-4

case "${1:-setup}" in
setup)
    packages=(
        # to build the C files, and PyGObject and pycairo from PyPI
        gcc libc6-dev make pkg-config python3 python3-dev python3-venv libcairo2-dev libglib2.0-dev $girepository
        # the libraries that tests and examples use
        gir1.2-glib-2.0 gir1.2-gtk-4.0 gir1.2-adw-1 gir1.2-gtk-3.0 gir1.2-soup-3.0 gir1.2-gstreamer-1.0
        gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base
        # a display, a session bus, and what a window needs to look right
        xvfb xauth dbus-daemon adwaita-icon-theme fonts-dejavu-core fonts-cantarell
        # other peers on the bus: gdbus, busctl, dbusmock
        libglib2.0-bin systemd python3-dbusmock
        # who reads traces
        nodejs $sysprof
        # ps and friends
        procps ca-certificates
    )
    ;;
check-native) packages=(valgrind clang llvm python3-dbg libc6-dbg) ;;
asyncio-suite) packages=("libpython$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')-testsuite") ;;
compat) packages=(mmdebstrap debian-archive-keyring python3-gi git) ;;
dist) packages=(mmdebstrap debian-archive-keyring git musl proot qemu-user-static) ;;
*)
    echo "usage: $0 setup|check-native|asyncio-suite|compat|dist" >&2
    exit 2
    ;;
esac

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "become root or install sudo, then: apt-get install ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
fi
echo "installing Debian packages: ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends "${missing[@]}"
