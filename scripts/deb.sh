#!/bin/bash
# Builds the Debian package in a clean chroot and runs its tests in another: scripts/deb.sh [SUITE] (trixie)
#
# Both chroots are mmdebstrap's and gone afterwards; the packages and logs stay in build/deb.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${1:-trixie}
out=$PWD/build/deb
rm -rf "$out" && mkdir -p "$out/source"

.venv/bin/pip install -q --no-build-isolation -e '.[dist]'
.venv/bin/python -m build --sdist --no-isolation --outdir "$out" . >"$out/sdist.log"
sdist=$(basename "$out"/gleenlet-*.tar.gz)
name=${sdist%.tar.gz}
version=${name#gleenlet-}
mv "$out/$sdist" "$out/source/gleenlet_$version.orig.tar.gz"
tar --extract --directory "$out/source" --file "$out/source/gleenlet_$version.orig.tar.gz"
cp -r packaging/debian "$out/source/$name/debian"

clean() { # clean LOG INCLUDE COMMAND OPTION...: run the command in /work of a chroot that is thrown away
    mmdebstrap --quiet --variant=buildd --include="$2" --aptopt='Acquire::Check-Valid-Until "false"' \
        --customize-hook="copy-in $out/source /" --chrooted-customize-hook="cd /source/$name && $3" "${@:4}" \
        "$suite" /dev/null >"$out/$1.log" 2>&1 || { tail -40 "$out/$1.log"; exit 1; }
}

clean build devscripts,lintian "apt-get --yes build-dep . && dpkg-buildpackage --unsigned-source --unsigned-changes &&
    lintian --fail-on error --allow-root ../*.changes" --customize-hook="sync-out /source $out/source"
ls "$out"/source/*.deb "$out"/source/*.dsc
grep -h '^[EWI]: ' "$out/build.log" || echo "lintian has nothing to say"
clean autopkgtest autopkgtest "autopkgtest --apt-upgrade ../*.deb . -- null"
tail -3 "$out/autopkgtest.log"
