#!/bin/bash
# Follows README and tutorial to the letter on a minimal Debian, as root and as a plain user with sudo: scripts/newcomer/run.sh
# [SUITE...] (bookworm trixie). Logs: build/newcomer/SUITE-USER.log. Each runs all tests: some minutes. With SKIP='make test'
# that command is left out.
set -uo pipefail
cd "$(dirname "$0")/../.."

out=$PWD/build/newcomer
mkdir -p "$out"
.venv/bin/python scripts/newcomer/steps.py README.md docs/tutorial/index.md >"$out/steps.sh" || exit
[ -z "${SKIP:-}" ] || sed -i "/^try '$SKIP'$/d" "$out/steps.sh"

# What a newcomer has on the machine: the tree, and what the README's first line needs.
packages=ca-certificates,make,sudo
failed=0
for suite in "${@:-bookworm trixie}"; do for name in $suite; do for user in root alice; do
    root=$out/$name-$user log=$out/$name-$user.log home=/home/alice
    [ $user = root ] && home=/root
    rm -rf --one-file-system "$root"
    mmdebstrap --quiet --variant=minbase --include=$packages "$name" "$root" >"$log" 2>&1 || { cat "$log"; exit 1; }
    [ $user = root ] || {
        chroot "$root" useradd --create-home --shell /bin/bash alice
        echo "alice ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/alice"
    }
    mkdir -p "$root$home/gleenlet"
    git archive HEAD | tar --extract --directory "$root$home/gleenlet"
    cp "$out/steps.sh" "$root$home/steps.sh"
    # It reaches the network as this machine does.
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    variables=(HOME=$home USER=$user LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
    if [ -n "${SSL_CERT_FILE:-}" ]; then
        cp "$SSL_CERT_FILE" "$root/etc/ssl/certs/ca-certificates.crt"
        variables+=(PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt)
    fi
    chroot "$root" chown -R $user: "$home"
    ROOT=$root unshare --mount --pid --fork --kill-child bash -c '
        mount -t proc proc "$ROOT/proc" && mount --rbind /dev "$ROOT/dev" && mount -t tmpfs tmpfs "$ROOT/tmp" &&
        chroot "$ROOT" "$@"; exit' bash \
        su "$user" --whitelist-environment=PIP_CERT,SSL_CERT_FILE -c "env ${variables[*]} bash $home/steps.sh" >>"$log" 2>&1
    status=$?
    echo "$name as $user: $(grep -c '^\$ ' "$log") commands, $(tail -1 "$log") (status $status)"
    grep '^FAILED' "$log"
    [ $status = 0 ] || failed=1
    rm -rf --one-file-system "$root"
done; done; done
exit $failed
