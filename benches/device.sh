#!/usr/bin/env bash
# Tests and benches of the devices of one machine, in at most 8 minutes. Compiling needs the registry, running does not:
#
#     benches/device.sh build [FEATURES]   compiles, by default with wgpu, into target/device
#     benches/device.sh run                there: the tests of tests/gpu, then `--bench device`, then PyTorch if a Python
#                                          here has torch; tables go to benches/runs/DATE-MACHINE
#     benches/device.sh                    both
#
# Copy the checkout with target/device to a machine without a registry. OUT names a folder that gets a copy of the
# tables and of criterion's files. TIMES=4 gives every part four times its seconds: a software GPU on two cores needs
# that. Ends with 1 if a test or a bench failed or was cut off.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
built="target/device"

# Compiles test and bench and puts both where `run` looks, without debug symbols.
build() {
    local features="pycno-tests/wgpu" feature program
    for feature in ${1//,/ }; do features+=",pycno-benches/$feature"; done
    mkdir -p "$built"
    cargo build --release --locked -p pycno-tests -p pycno-benches --features "$features" --test gpu --bench device \
        --message-format json-render-diagnostics > "$built/messages"
    for program in gpu device; do
        strip -o "$built/$program" "$(python3 .ci/built.py "$built/messages" "$program")"
    done
    rm "$built/messages"
    ls -l "$built"
}

# Runs a command for so many seconds at most, and says so if that was too short.
limited() {
    local seconds="$(($1 * ${TIMES:-1}))" ended=0
    timeout "$seconds" "${@:2}" || ended="$?"
    if [ "$ended" = 124 ]; then echo "CUT OFF after $seconds s, TIMES=4 allows more: ${*:2}"; fi
    return "$ended"
}

run() {
    local failed=0 criterion
    criterion="$(mktemp -d)"
    echo "== tests/gpu"
    PYCNO_REQUIRE_GPU=1 CUBECL_AUTOTUNE_LEVEL=minimal limited 120 "$built/gpu" || failed=1
    echo "== --bench device"
    CRITERION_HOME="$criterion" limited 270 "$built/device" --bench || failed=1
    echo "== PyTorch"
    if python3 -c 'import torch, transformers' 2> /dev/null; then
        limited 80 python3 benches/peers/torch_device.py benches/runs || failed=1
    else
        echo "NOT RUN: no Python with torch and transformers here"
    fi
    if [ -n "${OUT:-}" ]; then
        cp -r "$criterion" "$OUT/criterion"
        find benches/runs \( -name 'device.*' -o -name 'torch.*' \) -newer "$built/device" -exec cp --parents {} "$OUT" \;
    fi
    rm -rf "$criterion"
    return "$failed"
}

case "${1:-both}" in
    build) build "${2:-wgpu}" ;;
    run) run ;;
    both) build wgpu && run ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
