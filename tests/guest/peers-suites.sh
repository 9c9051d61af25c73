#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# peers-suites.sh FOLDER: the suites of others behave alike without and with observation, and the list and the kernel
# agree afterwards. By hand: they are not shipped. FOLDER has one of these, or both:
#   keyutils  the folder tests/ of keyutils' source (apt-get source keyutils), as it is
#   ltp       the programs add_key*, keyctl* and request_key* of the Linux Test Project, built (./configure; make in lib
#             and in testcases/kernel/syscalls/{add_key,keyctl,request_key})
#
#   cp -r tests build/guest-share/peers/keyutils
#   vm/run --kernel 6.12 --share build/guest-share --timeout 3000 -- /share/peers-suites.sh /share/peers
#
# LTP's 20 programs and 16 of keyutils' tests took two minutes a time, under emulation, on a machine with other load.

. "$(dirname "$0")/lib.sh"

folder=${1:?the folder with the suites}
# What keyutils' suite asks of the system, and the guest does not have.
mkdir "$work/bin"
printf '#!/bin/sh\n[ "$2" = -i ] && echo Debian || echo 12\n' >"$work/bin/lsb_release"
printf '#!/bin/sh\necho "$2: ELF 64-bit LSB pie executable"\n' >"$work/bin/file"
chmod +x "$work"/bin/*
PATH=$work/bin:$PATH
# Under emulation each takes some ten times as long as its author thought.
export LTP_TIMEOUT_MUL=20 LTP_RUNTIME_MUL=0.2 KCONFIG_SKIP_CHECK=1 AUTOMATED=1

# keyutils_suite, ltp_suite: a line for each test, "NAME STATUS WHAT-IT-SAID", into a file.
keyutils_suite() {
    local test
    cp -r "$folder/keyutils" "$work/keyutils"
    find "$work/keyutils" -name runtest.sh -printf '%P\n' | sort | while read -r test; do
        test=${test%/runtest.sh}
        (cd "$work/keyutils/$test" && TEST=$test timeout 600 bash ./runtest.sh) >"$work/said" 2>&1 </dev/null
        echo "keyutils/$test $? $(grep -c FAILED "$work/said") failed"
    done
    rm -rf "$work/keyutils"
}
ltp_suite() {
    local test
    for test in "$folder"/ltp/*; do
        [[ -x $test ]] || continue
        timeout 900 "$test" >"$work/said" 2>&1 </dev/null
        echo "ltp/${test##*/} $? $(awk '/^(passed|failed|broken|skipped)/ { print }' "$work/said" | tr -s ' \n' ' ')"
    done
}
suites() {
    [[ ! -d $folder/keyutils ]] || keyutils_suite
    [[ ! -d $folder/ltp ]] || ltp_suite
}

echo "# without"
systemctl stop keyscribed
keyscribe detach >/dev/null 2>&1
equal "no program of ours" "$(find /sys/fs/bpf/keyscribe -mindepth 1 2>/dev/null)" ""
suites >"$work/without"

echo "# with all keys of all keyrings observed"
systemctl start keyscribed
check "policy" policy 10-peers 'measure func=KEY_CHECK key_type=* op=all payload=digest'
check "ready" keyscribe wait ready --timeout 60
before=$(status .counters.measured)
suites >"$work/with"
check "all of it is measured" keyscribe wait idle --timeout 600
check "there are tests" test -s "$work/with"
equal "they behave alike" "$(diff "$work/without" "$work/with")" ""
echo "        $(wc -l <"$work/with") tests, $(grep -c ' 0 ' "$work/with") with status 0; $(($(status .counters.measured) - before)) events measured"
grep -v ' 0 ' "$work/with" | sed 's/^/        /'
check "list and kernel agree" wait_for 60 keyscribe keyrings --verify
books_are_closed
finish
