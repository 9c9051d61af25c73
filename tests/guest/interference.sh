#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What happens around the daemon: memory, disk, files, people, clock, processors. After each: the
# service runs or comes back by itself, says what happened, nothing is lost, and the list gives the
# PCR in every bank (run with tests/guest/share as the share, and --no-service).
# SEED: of the bits that are flipped.

. "$(dirname "$0")/lib.sh"

bin=/share/bin
# A load makes its keyring anew, so each has one of its own.
rule='measure func=KEY_CHECK keyrings=load|short|bound key_type=user|asymmetric op=create|update payload=full'
config=/etc/keyscribe/keyscribe.toml
journal=/var/log/keyscribe
RANDOM=${SEED:-4711}
events=0
lost=0

# add NAME: an event that has to be in the list, once, and behind those before it.
add() {
    echo "$1" >>"$work/added"
    keyctl add user "$1" "0 99999 " "$ring" >/dev/null
}
in_the_list() { "$(dirname "$0")/check_list.py" $list --from "$(size)" --created "$work/added"; }
# well WHAT: what is to hold after everything that was done to it.
well() {
    check "$1: all is measured" settle
    equal "$1: the service is well" "$(systemctl is-active keyscribed)" active
    check "$1: every event is in the list once, in order, and list and PCR agree in every bank" in_the_list
}
# noticed WHAT KIND TEXT: there is such a record, and it was made within 5 s of what was injected.
noticed() {
    check "$1" wait_for 30 since_injected "$2" "$3"
    check "within 5 s" in_time "$(since_injected "$2" "$3" | head -n 1 | jq .time)"
}
# shown TEXT: keyscribe status says so.
shown() { keyscribe status | grep "$1"; }
configure() {
    printf '%s\n' "$@" >$config
    systemctl restart keyscribed && keyscribe wait ready --timeout 60
}
# account FROM: sets received, accounted, issued of the load, by the list from this byte on.
account() {
    local counts
    counts=$(grep -v seconds "$work/load" | tr '\n' ' ')
    # shellcheck disable=SC2086 # words
    check "each once and in order, none made up, list and PCR agree" \
        "$(dirname "$0")/check_list.py" $list --from "$1" $counts
    # shellcheck disable=SC2086
    "$(dirname "$0")/check_list.py" $list --from "$1" $counts >"$work/result"
    received=$(awk '$1 == "received" { print $2 }' "$work/result")
    accounted=$(awk '$1 == "accounted" { print $2 }' "$work/result")
    issued=$(awk '$1 == "issued" { print $2 }' "$work/result")
    events=$((events + issued))
    lost=$((lost + issued - received))
    equal "received + accounted for = issued, to the last one" "$((received + accounted))" "$issued"
}
restarted() { (($(systemctl show -p NRestarts --value keyscribed) > 0)); }
# At least: what the collector of the kernel destroys meanwhile waits as well.
waiting() { (($(status .counters.waiting) >= $1)); }
refused_to_start() { journalctl -b -u keyscribed -o cat --no-pager | grep "$1"; }
size() { stat -c %s $list; }

mkdir -p $policy_dir
echo "$rule" >$policy_dir/10-load.policy
check "the service starts" systemctl start keyscribed
check "ready" keyscribe wait ready --timeout 120
ring=$(keyctl newring load @u)
add first
well start
keyscribe status
systemctl show keyscribed -p MemoryCurrent

echo "# memory"
before=$(size)
"$bin/keyload" short 2 0 100 20000 >"$work/load" &
loader=$!
loading() { (($(size) > before)); }
check "the load has begun" wait_for 30 loading
process=$(pid)
# Less than it needs: the kernel kills it, again and again.
inject systemctl set-property --runtime keyscribed MemoryMax=4M
check "the kernel kills it" wait_for 60 restarted
inject systemctl set-property --runtime keyscribed MemoryMax=24M
check "with 24 MiB it comes back by itself" wait_for 60 another "$process"
check "ready" keyscribe wait ready --timeout 60
kill $loader
wait $loader
settle
account "$before"
echo "        $(systemctl show -p MemoryCurrent -p NRestarts keyscribed | tr '\n' ' ')"
add "after too little memory"
well memory
inject systemctl set-property --runtime keyscribed MemoryMax=infinity

echo "# the spool at its bound"
check "a spool of 64 KiB" configure '[spool]' 'max_size = "64 KiB"'
before=$(size)
inject kill -STOP "$(pid)"
"$bin/keyload" bound 2 200 100 >"$work/load"
kill -CONT "$(pid)"
settle
account "$before"
dropped=$(records_of drop | jq -s 'map(.count) | add')
check "something was dropped" test "${dropped:-0}" -gt 0
equal "the list says how many" "$dropped" "$accounted"
equal "so does the status" "$(status .counters.dropped)" "$dropped"
check "and the metrics" sh -c "curl -s --unix-socket $list_dir/control.sock http://localhost/v1/metrics | grep -qx 'keyscribe_events_dropped_total $dropped'"
looked_again() { records_of baseline-begin | grep '"reason":"loss"' >/dev/null; }
check "what the keyrings hold is told anew" wait_for 30 looked_again
add "after the bound"
well "the spool's bound"
check "the former bound" configure

echo "# the folder"
inject rm -rf $list_dir
noticed "a removed folder is noticed" detached "the folder of the list was removed"
add "after a removed folder"
well "folder removed"
second() { { timeout 20 /usr/sbin/keyscribed || true; } 2>&1 | grep "another keyscribed is running"; }
check "no second daemon runs beside it" second
inject rm -rf $list_dir
check "nor while the folder is not there" second
well "folder removed again"
check "started anew" configure
add "before the folder goes together with its daemon"
settle
# A second is how often the daemon looks which files systemd has to keep.
has_stored() { [[ $(systemctl show -P NFileDescriptorStore keyscribed) == 3 ]]; }
check "systemd keeps the files" wait_for 10 has_stored
process=$(pid)
inject sh -c "rm -rf $list_dir; kill -9 $process"
check "another process comes" wait_for 60 another "$process"
check "ready" keyscribe wait ready --timeout 60
add "after the folder went together with its daemon"
well "folder and daemon removed"

echo "# disk"
truncate -s 1M "$work/disk"
check "a small disk" sh -c "modprobe loop && mkfs.ext4 -qF -O ^has_journal $work/disk && mount -o loop $work/disk $journal"
check "the service writes to it" configure
add "written"
check "the journal has it" wait_for 10 grep -rq written $journal
inject dd if=/dev/zero of=$journal/ballast bs=1k 2>/dev/null
for i in {1..12}; do add "no room in the journal $i"; done
check "a full disk is shown" wait_for 10 shown "^journal .*No space left"
well "/var/log full"
rm $journal/ballast
add "room in the journal"
settle
refute "room again" shown "^journal .*!"
check "the journal goes on" grep -rq "room in the journal" $journal
# Under the running daemon the kernel makes nothing read-only that is open for writing.
refute "a disk in use does not become read-only" mount -o remount,ro $journal
systemctl stop keyscribed
inject mount -o remount,ro $journal
check "the service starts beside a read-only disk" configure
add "not in the journal"
check "a disk that is read-only is shown" wait_for 10 shown "^journal .*Read-only"
well "/var/log read-only"
systemctl stop keyscribed
umount $journal
check "started with another disk" configure
fallocate -l "$(($(stat -f -c '%a * %S' /run) - 65536))" /run/ballast 2>/dev/null
inject dd if=/dev/zero of=/run/ballast2 bs=4096 2>/dev/null
# More than what is left of the last page.
echo "disk full" >>"$work/added"
head -c 20000 /dev/zero | tr "\0" x | keyctl padd user "disk full" "$ring" >/dev/null
check "a full /run is shown" wait_for 10 shown "o space"
rm -f /run/ballast /run/ballast2
check "and it is measured when there is room" wait_for 60 told "disk full"
well "/run full"
# Of /run itself systemd has files open.
systemctl stop keyscribed
mkdir "$work/state"
cp -a $list_dir/. "$work/state/"
mount -t tmpfs -o mode=0750 tmpfs $list_dir
cp -a "$work/state/." $list_dir/
check "the list's directory is a file system of its own" configure
well "another file system"
refute "the kernel makes nothing read-only that the daemon writes to" mount -o remount,ro $list_dir
process=$(pid)
inject kill -9 "$process"
check "it does when it is dead" wait_for 5 mount -o remount,ro $list_dir
add "nowhere to write"
check "systemd tries again" wait_for 60 refused_to_start "Read-only file system"
mount -o remount,rw $list_dir
check "it comes back by itself" wait_for 60 another "$process"
check "ready" keyscribe wait ready --timeout 60
well "/run read-only"

echo "# files"
for form in "$list" $list_dir/ascii_runtime_measurements; do
    inject truncate -s 1000 "$form"
    noticed "a truncated $(basename "$form") is noticed" tampered "list:"
    well "truncated"
done
printf '\xff' | inject dd of=$list bs=1 seek=300 conv=notrunc status=none
noticed "a changed list is noticed" tampered "repaired from its text"
add "after a change"
well "changed"
inject rm -f $list
check "a removed list is noticed and put back" wait_for 5 test -s $list
add "after a removal"
well "removed"
inject rm -f $list_dir/spool
noticed "a removed spool is noticed" tampered "spool: the file was removed"
add "after a removed spool"
well "spool removed"
equal "the state says so" "$(status .state)" degraded
# Without a TPM events wait in the spool; bits of both states and of frames are flipped there.
mv /dev/tpmrm0 /dev/hidden
systemctl restart keyscribed
for i in {1..8}; do add "flipped $i"; done
check "they wait" wait_for 30 waiting 8 || status .counters
systemctl stop keyscribed
# flip OFFSET: one of the eight bits there.
flip() {
    perl -e 'open F, "+<", $ARGV[0] or die; seek F, $ARGV[1], 0; read F, $_, 1;
        seek F, $ARGV[1], 0; print F chr(ord ^ 1 << $ARGV[2])' $list_dir/spool "$1" $((RANDOM % 8))
}
frame=$((($(stat -c %s $list_dir/spool) - 4096) / 8))
inject flip $((RANDOM % 100))
inject flip $((512 + RANDOM % 100))
for i in 0 2 5 7; do inject flip $((4096 + i * frame + RANDOM % (frame - 8))); done
mv /dev/hidden /dev/tpmrm0
check "it starts" systemctl start keyscribed
check "ready" keyscribe wait ready --timeout 60
equal "bits that were flipped in frames are noticed" \
    "$(records_of tampered | grep -c 'a bit of frame [0-9]* was changed, and is repaired')" 4
check "those in the state as well" tampered "a bit of its state was changed, and is repaired"
well "flipped bits"

echo "# people"
inject rm -rf /sys/fs/bpf/keyscribe/*
noticed "removed pins are noticed" detached "pins were removed"
check "and put back" test -n "$(ls /sys/fs/bpf/keyscribe)"
equal "the kernel detaches no link of a tracing program that somebody has open" \
    "$(inject $bin/link_detach /sys/fs/bpf/keyscribe/*/link_create_or_update*)" "Operation not supported"
add "still attached"
well "links"
# The thief has to be quicker than the daemon: that stands still meanwhile.
halted=$(pid)
inject kill -STOP "$halted"
add stolen
check "somebody reads the ring" inject $bin/ring_thief /sys/fs/bpf/keyscribe/*/ring
# What is waited for is a time: longer than a busy machine may take from the daemon.
standing=$SECONDS
while ((SECONDS < standing + 7)); do sleep 0.2; done
cut -d' ' -f1 /proc/uptime >"$work/injected-at"
kill -CONT "$halted"
noticed "standing still is noticed" detached "stood still"
noticed "so is who read the ring" detached "read by somebody else"
well "halted, and the ring read"
# Nobody lets it go on: the watchdog's 30 s, and 5 until it is killed.
restarts=$(records_of restart | wc -l)
halted=$(pid)
inject kill -STOP "$halted"
add "while nothing moves"
check "the watchdog has it replaced" wait_for 90 another "$halted"
check "ready" keyscribe wait ready --timeout 60
check "the list says so" test "$(records_of restart | wc -l)" -gt "$restarts"
well "halted for good"
inject rm -f $policy_dir/*.policy
noticed "an emptied policy directory is noticed" detached "policy directory was emptied"
refute "a reload without a file is refused" keyscribe reload
add "without a policy file"
well "no policy file"
echo "$rule" >$policy_dir/10-load.policy
check "a policy again" keyscribe reload
for kind in TERM KILL; do
    process=$(pid)
    inject kill -$kind "$process"
    add "after $kind"
    check "it comes back after $kind" wait_for 60 another "$process"
    check "ready" keyscribe wait ready --timeout 60
done
well "killed"

echo "# clock, processors"
inject date -s '-1 day' >/dev/null
add yesterday
well "the clock set back"
inject date -s '+2 days' >/dev/null
add tomorrow
well "the clock set forward"
date -s '-1 day' >/dev/null
check "a CPU goes offline" inject sh -c 'echo 0 >/sys/devices/system/cpu/cpu1/online'
add "one processor"
well "one processor"
check "it comes back" inject sh -c 'echo 1 >/sys/devices/system/cpu/cpu1/online'
add "two processors"
well "two processors"

check "evmctl matches" evmctl_matches
echo "# somebody else extends the PCR: no list gives it from here on"
inject tpm2_pcrextend 13:sha256="$(printf '%064d' 7)"
add foreign
foreign() { [[ $(records_of foreign) ]]; }
check "it is noticed" wait_for 30 foreign
equal "the state says so" "$(status .state)" degraded
settle
check "every event is in the list once, in order, and it gives the PCR from there on" in_the_list

echo "# a configuration that is refused is not tried again"
echo 'nonsense = 1' >$config
refute "it does not start" systemctl restart keyscribed
check "and is not started again" wait_for 5 systemctl is-failed -q keyscribed
equal "the status is EX_CONFIG" "$(systemctl show -p ExecMainStatus --value keyscribed)" 78
rm $config
check "with another one it starts" systemctl start keyscribed
events=$((events + $(wc -l <"$work/added")))
missing=$(in_the_list | awk '$1 == "created" { print $4 - $2 }')
echo "injected: $(wc -l <"$work/injected"); of $events events lost: $((lost + missing)), recorded as such: $lost"
finish
