#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Programs that are attached and yet see nothing: the list says so within 5 seconds, and what keyrings hold is
# looked at again. bpf/README.md has the switches that do this.

. "$(dirname "$0")/lib.sh"

pins=(/sys/fs/bpf/keyscribe/*)
# noticed WHAT TEXT: the list says so, within 5 s of what was injected.
noticed() {
    check "$1" wait_for 20 since_injected detached "$2"
    check "within 5 s" in_time "$(since_injected detached "$2" | head -n 1 | jq .time)"
}
baselines() { records_of baseline-begin | grep -c '"missed"'; }
# baseline_has DESCRIPTION
baseline_has() { records_of baseline | grep -F "\"$1\"" >/dev/null; }

# alive: keyscribed says that capture works, as `keyscribe evidence --canary` asks it.
alive() { curl -sf --unix-socket $list_dir/control.sock -d '{"nonce": "00"}' http://localhost/v1/canary; }

check "our policy" policy 10-test 'measure func=KEY_CHECK keyrings=watched key_type=user op=all'
check "ready" keyscribe wait ready --timeout 60
keyring=$(keyctl newring watched @s)
check "an event" keyctl add user before x "$keyring"
settle
check "is told" told before
equal "nothing was wrong" "$(records_of detached)" ""
check "capture is alive" alive

echo "# kernel.ftrace_enabled"
if inject sysctl -qw kernel.ftrace_enabled=0 2>/dev/null && [[ $(sysctl -n kernel.ftrace_enabled) == 0 ]]; then
    check "nothing is seen" keyctl add user unseen x "$keyring"
    noticed "the list says that nothing is" "does not run the programs (is"
    refute "no canary is promised" alive
    check "it is turned on" sysctl -qw kernel.ftrace_enabled=1
    check "the list says so" wait_for 20 detached "runs the programs again"
    check "the key is found" wait_for 20 baseline_has unseen
    # The end of a key is seen a second later.
    check "capture is alive again" wait_for 20 alive
else
    check "7.x refuses it while a program is attached" test "$(uname -r | cut -d. -f1)" -ge 7
fi
check "an event" keyctl add user after x "$keyring"
settle
check "is told" told after

echo "# switches that leave the programs running"
write() { echo "$2" >"$1"; }
# unmoved COMMAND...: whatever it does, every program that can be asked answers.
unmoved() {
    local outcome=''
    "$@" 2>/dev/null || outcome=" (refused)"
    check "$*$outcome" alive
}
for switch in net.core.bpf_jit_enable=0 net.core.bpf_jit_harden=2 kernel.bpf_stats_enabled=1 \
    kernel.unprivileged_bpf_disabled=1 kernel.perf_event_paranoid=4 kernel.perf_event_max_sample_rate=1 \
    kernel.perf_cpu_time_max_percent=1 kernel.kptr_restrict=2 kernel.stack_tracer_enabled=0 \
    kernel.keys.root_maxkeys=1 kernel.keys.root_maxbytes=1 kernel.modules_disabled=1; do
    unmoved sysctl -qw $switch
done
# They are in the way of who loads programs anew.
sysctl -qw net.core.bpf_jit_enable=1 net.core.bpf_jit_harden=0
sysctl -qw kernel.keys.root_maxkeys=1000000 kernel.keys.root_maxbytes=25000000
tracing=/sys/kernel/tracing
mountpoint -q $tracing || mount -t tracefs tracefs $tracing
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
unmoved write /sys/kernel/debug/kprobes/enabled 0
unmoved write $tracing/tracing_on 0
unmoved write $tracing/set_ftrace_notrace 'key_*'
unmoved write $tracing/set_ftrace_filter key_link
unmoved write $tracing/current_tracer function
unmoved write $tracing/current_tracer nop
unmoved write $tracing/set_ftrace_pid 1
unmoved write $tracing/kprobe_events 'p:ks key_link'
unmoved write $tracing/events/kprobes/enable 1
unmoved write $tracing/events/kprobes/enable 0
equal "the kernel detaches no link that somebody has open" \
    "$(/share/bin/link_detach "${pins[0]}/link_link")" "Operation not supported"

echo "# variables"
count=$(baselines)
check "they are zeroed" inject /share/bin/zero_variables "${pins[0]}/variables"
noticed "the list says so" "filter was changed"
check "also of the counters" detached "count of events was set back"
check "and of the marks" detached "marks of keys were removed"
# Operations of the process whose number stands there are not recorded.
inject /share/bin/set_variable "${pins[0]}/variables" canary 1
noticed "so it does of the canary" "canary was changed"
more() { (($(baselines) > count)); }
check "keyrings are looked at" wait_for 20 more
check "an event" keyctl add user again x "$keyring"
settle
check "is told" told again
refute "what is written once is frozen" /share/bin/zero_variables "${pins[0]}/about"

echo "# four programs after the other, without a pin or a link that is missing"
# What the daemon can have called says so itself; of the others the link is looked at.
declare -A asked=(
    [update]="update (keyctl)" [instantiate]="instantiate, creation of keyrings" [link]=link [unlink]=unlink
    [move]=move [clear]=clear [restrict_links]=restrict [revoke]=revoke [invalidate]=invalidate [timeout]=timeout
    [setperm]=setperm [chown]=chown [destroy]=destroy [exe_inherited]="executables that are replaced (children)"
    [create_or_update_lsm]="create, update (add_key)" [create_or_update_ima]="create, update (add_key)"
)
# silenced: the operations that the list says are not seen, with the time of the record.
silenced() {
    records_of detached | jq -r '.time as $time | .. | strings |
        capture("does not run the programs of: (?<all>.*)").all | split("; ")[] | "\($time) \(.)"'
}
# silent_at OPERATIONS: when the list said so of them last.
silent_at() {
    silenced | awk -v wanted="$1" '{ time = $1; sub(/^[^ ]* /, "") } $0 == wanted { print time }' | tail -n 1 | grep .
}
# told_silent PROGRAM: within 5 s of what was injected.
told_silent() {
    check "$1" wait_for 20 silent_at "${asked[$1]}"
    check "within 5 s" in_time "$(silent_at "${asked[$1]}")"
}
silence() {
    local program
    for program; do
        /share/bin/silence "$(pid)" "${pins[0]}/link_$program" || fail "$program is detached"
    done
}
programs=()
for pin in "${pins[0]}"/link_*; do
    # It is asked by what it reads, which all else wants too: the last.
    [[ $pin == */link_stand ]] || programs+=("${pin##*/link_}")
done
for ((i = 0; i < ${#programs[@]}; i += 4)); do
    four=("${programs[@]:i:4}")
    inject silence "${four[@]}"
    for program in "${four[@]}"; do
        [[ ! ${asked[$program]:-} ]] || told_silent "$program"
        noticed "the link of $program" "is not what it was: $program\""
    done
done
equal "nothing else is told" "$(silenced | cut -d' ' -f2- | sort -u | wc -l)" \
    "$(printf '%s\n' "${programs[@]}" | grep -c -x -F "$(printf '%s\n' "${!asked[@]}")")"
refute "no canary is promised" alive
inject silence stand
noticed "the last" "does not run the programs"
check "a new daemon" systemctl restart keyscribed
check "attaches them anew" wait_for 30 detached "not complete"
check "ready" keyscribe wait ready --timeout 60
check "capture is alive again" alive
check "an event" keyctl add user "in the end" x "$keyring"
settle
check "is told" told "in the end"

echo "# without the JIT nothing can be loaded anew"
systemctl stop keyscribed
check "nothing is attached" keyscribe detach
sysctl -qw net.core.bpf_jit_enable=0
refused() { journalctl -b -q -u keyscribed -o cat --no-pager | grep -q "refused the BPF programs\|cannot attach the BPF"; }
refute "the daemon does not start" systemctl start keyscribed
check "and says why" wait_for 10 refused
sysctl -qw net.core.bpf_jit_enable=1
check "with it it comes back by itself" wait_for 60 alive
finish
