#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The daemon dies at every named point of the pipeline and at random moments, always under load:
# afterwards the list replays in every bank, and each event stands in it exactly once and in order
# (run with tests/guest/share as the share, and --no-service).
# KILLS: at how many random moments (10).

. "$(dirname "$0")/lib.sh"

bin=/share/bin
kills=${KILLS:-10}
points=(before-spool-write after-spool-write after-ring-release before-commit before-list-append
    after-list-text after-list-append after-extend before-journal after-commit before-spool-cleared
    before-ring-read)
faults=$list_dir/faults
injected=0

mkdir -p $policy_dir /run/systemd/system/keyscribed.service.d
cat >/run/systemd/system/keyscribed.service.d/faults.conf <<U
[Unit]
StartLimitIntervalSec=0
[Service]
Environment=KEYSCRIBE_FAULTS=$faults
Restart=always
RestartSec=0
U
if [[ -x $bin/keyscribed-faults ]]; then
    install $bin/keyscribed-faults /usr/sbin/keyscribed
else
    points=()
fi
systemctl daemon-reload
echo 'measure func=KEY_CHECK keyrings=load key_type=user op=create|update payload=full' >$policy_dir/10-load.policy
printf '[journal]\nenabled = false\n' >/etc/keyscribe/keyscribe.toml
check "the service starts" systemctl start keyscribed
mkdir -p $faults
check "ready" keyscribe wait ready --timeout 120
check "programs are pinned" test -n "$(ls /sys/fs/bpf/keyscribe)"

pid() { systemctl show -p MainPID --value keyscribed; }
# another PID: the service runs again under a new process.
another() { local now; now=$(pid); [[ $now != 0 && $now != "$1" ]] && systemctl is-active -q keyscribed; }

"$bin/keyload" load 2 0 100 2000 >"$work/load" &
loader=$!
for point in "${points[@]}"; do
    before=$(pid)
    echo "$point 1" >$faults/fault
    if wait_for 60 test -e $faults/fault.done; then
        injected=$((injected + 1))
        pass "died at $point"
    else fail "died at $point"; fi
    rm -f $faults/fault $faults/fault.done
    check "runs again after $point" wait_for 60 another "$before"
done
RANDOM=${SEED:-4711}
for ((i = 0; i < kills; i++)); do
    before=$(pid)
    sleep "0.$((RANDOM % 1000 + 1000))"
    kill -9 "$before" && injected=$((injected + 1))
    wait_for 60 another "$before" || fail "runs again after a kill"
done
kill "$loader"
wait "$loader"
check "all is measured in the end" keyscribe wait idle --timeout 120
counts=$(grep -v seconds "$work/load" | tr '\n' ' ')
check "exactly once, in order, nothing lost or made up" "$(dirname "$0")/check_list.py" $list $counts
"$(dirname "$0")/check_list.py" $list $counts | tee "$work/result"
check "evmctl matches" evmctl_matches
equal "nothing was lost" "$(awk '$1 == "missing" || $1 == "accounted" { print $2 }' "$work/result" | tr '\n' ' ')" "0 0 "

echo "# somebody interferes"
ring=$(keyctl newring load @u)
detached() { records_of detached | grep -q "$1"; }
rm -rf /sys/fs/bpf/keyscribe/*
check "removed pins are noticed" wait_for 30 detached "was removed"
check "and put back" test -n "$(ls /sys/fs/bpf/keyscribe)"
kill -STOP "$(pid)"
sleep 8
kill -CONT "$(pid)"
check "standing still is noticed" wait_for 30 detached "stood still"
tampered() { records_of tampered | grep -q "$1"; }
printf '\xff' | dd of=$list bs=1 seek=300 conv=notrunc status=none
check "a changed list is noticed" wait_for 30 tampered "repaired from its text"
check "and repaired" evmctl_matches
rm -f $list
check "a removed list is noticed and put back" wait_for 30 test -s $list
keyctl add user last x "$ring" >/dev/null
settle
check "evmctl matches" evmctl_matches
rm -f $list_dir/spool
check "a removed spool is noticed" wait_for 30 tampered spool
tpm2_pcrextend 13:sha256="$(printf '%064d' 7)"
check "a foreign extend is noticed" wait_for 30 test -n "$(records_of foreign)" || wait_for 30 sh -c 'keyscribe list --format json | grep -q keyscribe:foreign'
equal "the state says so" "$(status .state)" degraded

echo "# detach"
systemctl stop keyscribed
check "stopping leaves the programs" test -n "$(ls /sys/fs/bpf/keyscribe)"
keyctl add user "while nobody runs" "0 99999 " "$ring" >/dev/null
systemctl start keyscribed
check "ready" keyscribe wait ready --timeout 60
settle
check "what happened meanwhile is measured" sh -c 'keyscribe list --format json | grep -q "while nobody runs"'
equal "injected $injected deaths" "$(systemctl is-active keyscribed)" active
echo "injected: $injected deaths, 7 interferences; lost: $(awk '$1 == "missing" { print $2 }' "$work/result")"
finish
