#!/bin/bash
# Runs the C files through what finds slips in C: scripts/check_native.sh [STEP...]
#
# Steps: analyzer, plain, dev, debug, sanitize, valgrind; all if none is named. Nothing is built into the tree: each step
# has a copy of src/gleenlet of its own under build/native. A failed step leaves build/native/STEP.log.
set -uo pipefail
cd "$(dirname "$0")/.."

ROOT=$PWD
OUT=$ROOT/build/native
PYTHON=$ROOT/.venv/bin/python
TESTS=(tests/core/test_{ends,collections,greenlets_of_tasks,seams,hub,waiter,line,wakeups,unsafe_switch,raw_greenlets,exit,task,run,callback,slabs}.py
    tests/sync/test_{sync,lock,queue}.py tests/dbus/test_dbus_{gvariant,invoke,incoming}.py tests/debug/test_debug_record.py)
# valgrind is some 40 times slower: what walks each way through the core once, and no test that counts milliseconds.
VALGRIND_TESTS='cancel or throw or timeout or failure or callback or green or garbage or pool or name or result or kept'
VALGRIND_SKIPS='crowd or ten_thousand or starve or slice or latency or burn or ctrl_c or stall'

export PYTHONDONTWRITEBYTECODE=1
mkdir -p "$OUT"
site=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

build() { # $1: step, $2: python, then compiler flags: a package of its own in $OUT/$1
    local step=$1 python=$2
    shift 2
    rm -rf "${OUT:?}/$step" && mkdir -p "$OUT/$step" && cp -r src/gleenlet "$OUT/$step/" &&
        find "$OUT/$step" -name '*.so' -delete &&
        CFLAGS="-g -fno-omit-frame-pointer $*" LDFLAGS="$*" GLEENLET_WERROR=1 "$python" setup.py -q build_ext --force \
            --build-lib "$OUT/$step" --build-temp "$OUT/$step/temp"
}

tests() { # $1: step, then the command that stands for python
    local step=$1
    shift
    PYTHONPATH=$OUT/$step:$ROOT/tests/helpers:$ROOT/src "$@" -c "
import sys, gleenlet, pytest
assert gleenlet.__file__.startswith('$OUT'), gleenlet.__file__
sys.exit(pytest.main(sys.argv[1:]))" -q -p no:cacheprovider -o addopts= --import-mode=importlib \
        -W ignore::pytest.PytestUnraisableExceptionWarning "${more[@]}" "${TESTS[@]}"
}

more=()

step_analyzer() { # what gcc finds on paths through one function
    local flags=(-fanalyzer -O2 -Wall -Wextra -Werror -Wno-analyzer-malloc-leak) include file
    include=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    for file in src/native/*/*.c; do
        echo "$file"
        gcc -c "${flags[@]}" -I"$include" -I"$site" "$file" -o /dev/null || return
    done
}

step_plain() { # what is Linux's alone is not used: platform.h
    TESTS=(tests/core tests/glib tests/sync)
    GLEENLET_PLAIN=1 build plain "$PYTHON" && tests plain "$PYTHON"
}

step_dev() { # CPython's development mode: checks of its allocators, warnings, faulthandler
    build dev "$PYTHON" && tests dev "$PYTHON" -X dev
}

step_debug() { # CPython's own assertions and reference counts
    local debug=python3-dbg
    command -v $debug >/dev/null || { echo "no python3-dbg here: Debian's package of that name has it" && return 2; }
    [ -e "$OUT/debug-venv/ready" ] || {
        # --system-site-packages: extensions of a plain build load into a debug build of the same version.
        $debug -m venv --clear --without-pip "$OUT/debug-venv" &&
            echo "$site" >"$("$OUT/debug-venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/plain.pth" &&
            touch "$OUT/debug-venv/ready"
    } || return
    build debug "$OUT/debug-venv/bin/python" && tests debug "$OUT/debug-venv/bin/python"
}

step_sanitize() { # AddressSanitizer and UndefinedBehaviorSanitizer in our files, malloc and free everywhere
    # Switching copies stacks by memcpy, in greenlet and in no file of ours. A stack that is swapped leaves
    # AddressSanitizer's marks of dead frames behind: no checks of our own stack frames (asan-stack=0), and no
    # fake stack. CPython leaks by intention at exit.
    local library
    library=$(gcc -print-file-name=libasan.so)
    export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:quarantine_size_mb=4:abort_on_error=1
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    TESTS+=(tests/gevent/test_gevent{,_stack,_errors,_api}.py) # in child processes, of which the other steps see nothing
    build sanitize "$PYTHON" -fsanitize=address,undefined --param=asan-stack=0 -fno-sanitize-recover=undefined &&
        PYTHONMALLOC=malloc LD_PRELOAD="$library $(gcc -print-file-name=libubsan.so)" tests sanitize "$PYTHON"
}

step_valgrind() { # reads of what was never written or was freed
    build valgrind "$PYTHON" || return
    more=(-k "($VALGRIND_TESTS) and not ($VALGRIND_SKIPS)" -o faulthandler_timeout=0)
    TESTS=(tests/core/test_{seams,hub,waiter,unsafe_switch,raw_greenlets,exit,task,run,callback}.py tests/sync/test_{sync,lock,queue}.py
        tests/dbus/test_dbus_{gvariant,invoke,incoming}.py)
    PYTHONMALLOC=malloc GLEENLET_SLABS=${GLEENLET_SLABS:-1} tests valgrind valgrind -q --error-exitcode=99 \
        --suppressions=scripts/valgrind.supp --max-stackframe=16777216 --num-callers=30 \
        --trace-children=no --child-silent-after-fork=yes "$PYTHON"
}

steps=("$@")
[ ${#steps[@]} -eq 0 ] && steps=(analyzer plain dev debug sanitize valgrind)
failed=0
for step in "${steps[@]}"; do
    printf '%-10s ' "$step"
    start=$SECONDS
    ("step_$step") </dev/null >"$OUT/$step.log" 2>&1
    status=$?
    case $status in
    0) result="ok" ;;
    2) result="not run: $(tail -1 "$OUT/$step.log")" ;;
    *) result="FAILED ($status): see build/native/$step.log" && failed=1 ;;
    esac
    echo "$result, $((SECONDS - start)) s; $(grep -E '^(=+ )?[0-9]+ (passed|failed)' "$OUT/$step.log" | tail -1)"
    [ "$status" -eq 0 ] || tail -25 "$OUT/$step.log"
done
exit $failed
