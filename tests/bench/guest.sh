#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Run by tests/bench/run in a guest whose clock counts instructions (vm/run --icount --no-service).
# Everything is measured in one boot; each row is compared with the bare ones of the same boot.

set -uo pipefail
work=$(mktemp -d)
cost=/share/build/add_key_cost
sizes=(32 1024 32000)
declare -A bare bare_own

# measure NAME TYPE SIZE|FILE COUNT COLUMN: prints a row; the column is where bare values are kept.
# "own": how much more by the caller's own clock, that is without what others did at its expense.
measure() {
    local name=$1 median mean own
    read -r _ median _ mean _ own < <("$cost" "$2" "$3" "$4" bench_ring)
    [[ $name != bare ]] || bare[$5]=$median bare_own[$5]=$own
    awk -v name="$name" -v column="$5" -v median="$median" -v mean="$mean" -v own="$own" \
        -v bare="${bare[$5]}" -v bare_own="${bare_own[$5]}" 'BEGIN {
            printf "%-40s %-12s %9.0f %+9.0f %7.3f %9.0f %+9.0f\n",
                name, column, median, median - bare, median / bare, mean, own - bare_own }'
}

failures=0
# saw OBSERVER FOUND CALLS: a row is of no use where the observer did not see each call.
saw() {
    echo "    $1 saw $2 of $3 calls"
    (($2 >= $3)) || { echo "    NOT OK: the row above is not what it costs to see them" && failures=1; }
}
user_calls=$((3 * 61)) certificate_calls=41 # the timed ones, ten to warm up, the keyring

users() { for size in "${sizes[@]}"; do measure "$1" user "$size" 50 "user $size"; done; }
certificates() { measure "$1" asymmetric "$work/cert.der" 30 "certificate"; }

# operations NAME: a row for each operation of keyctl(2) that is timed.
operations() {
    local name=$1 operation median
    while read -r operation median; do
        [[ $name != bare ]] || bare[$operation]=$median
        awk -v name="$name" -v column="$operation" -v median="$median" -v bare="${bare[$operation]}" 'BEGIN {
            printf "%-40s %-12s %9.0f %+9.0f %7.3f\n", name, column, median, median - bare, median / bare }'
    done < <(/share/build/key_ops_cost 200 bench_ring)
}

policy() {
    mkdir -p /etc/keyscribe/policy.d
    printf '%s\n' "$@" >/etc/keyscribe/policy.d/10-bench.policy
    ! systemctl is-active -q keyscribed || keyscribe reload >/dev/null
}

counter() { keyscribe status --json | jq ".counters.$1"; }
# counted COUNTER CALLS NAME COMMAND...: rows of keyscribed, whose counter has to grow by the calls.
counted() {
    local counter=$1 calls=$2 before
    shift 2
    before=$(counter "$counter")
    "$@"
    saw keyscribed $(($(counter "$counter") - before)) "$calls"
}

# slow_tpm DELAY...: a row for each: every TPM command takes so many milliseconds more.
slow_tpm() {
    local delay dropin=/run/systemd/system/keyscribed.service.d
    mkdir -p $dropin
    printf '[Service]\nEnvironment=LD_LIBRARY_PATH=/share/build\n' >$dropin/bench.conf
    systemctl daemon-reload
    cp /etc/keyscribe/keyscribe.toml "$work/"
    for delay; do
        printf '[tpm]\ntcti = "faulty:delay=%sms:device:/dev/tpmrm0"\n' "$delay" |
            cat - "$work/keyscribe.toml" >/etc/keyscribe/keyscribe.toml
        systemctl restart keyscribed
        keyscribe wait ready --timeout 300
        users "matching rule, TPM + $delay ms"
        keyscribe wait idle --timeout 300
    done
    mv "$work/keyscribe.toml" /etc/keyscribe/
    rm -r $dropin
    systemctl daemon-reload
}

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key" -subj /CN=bench -outform DER \
    -out "$work/cert.der" 2>/dev/null
for size in "${sizes[@]}"; do "$cost" user "$size" 50 bench_ring >/dev/null; done # warms up

# What is bare has to be bare again, and a start has to load the programs.
printf '[capture]\ndetach_on_stop = true\n' >/etc/keyscribe/keyscribe.toml
# First, as at boot: a list that is long is read before the service is ready.
policy 'measure func=KEY_CHECK keyrings=another_ring'
systemctl start keyscribed
keyscribe wait ready --timeout 120
pid=$(systemctl show -p MainPID --value keyscribed)
awk '/^[0-9a-f]+-/ { ring = /bpf-map|bpf_ringbuf/ } /^Rss:/ { if (ring) r += $2; else rss += $2 }
    /^Pss:/ { if (!ring) pss += $2 }
    END { printf "idle daemon: resident %.1f MiB beside the ring (%.1f MiB, mapped twice); proportional %.1f MiB\n",
        rss / 1024, r / 1024, pss / 1024 }' "/proc/$pid/smaps"
systemctl show -p ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic keyscribed |
    awk -F= '{ t[$1] = $2 } END { printf "from exec to attached: %.2f s at one instruction a nanosecond\n",
        (t["ActiveEnterTimestampMonotonic"] - t["ExecMainStartTimestampMonotonic"]) / 1e6 }'
systemctl stop keyscribed

# What is the kernel's of that: the verifier works in BPF_PROG_LOAD, attaching waits for RCU.
mkdir -p /run/keyscribe
strace -f --seccomp-bpf -ttt -T -e trace=execve,bpf -o "$work/start" keyscribed >"$work/log" 2>&1 &
# By hand it is not in the TPM's group, and never gets ready.
while kill -0 $! 2>/dev/null && ! grep -q 'attached: ' "$work/log"; do sleep 0.1; done
pkill -x keyscribed
wait
awk '{ sub(/^[0-9]+ +/, ""); at = $1 }
    /execve\(/ && !started { started = at }
    match($0, /BPF_[A-Z_]+/) && /<[0-9.]+>$/ {
        command = substr($0, RSTART, RLENGTH); took = $NF; gsub(/[<>]/, "", took)
        part = command == "BPF_PROG_LOAD" ? "load" : command ~ /LINK_CREATE|TRACEPOINT_OPEN/ ? "attach" : "other"
        seconds[part] += took; calls[part]++
        if (part == "attach") attached = at + took
    }
    END { printf "of that (under strace): %.2f s; programs loaded %.2f s (%d calls), attached %.2f s (%d), other bpf(2) %.2f s, the daemon itself and libbpf %.2f s\n",
        attached - started, seconds["load"], calls["load"], seconds["attach"], calls["attach"], seconds["other"],
        attached - started - seconds["load"] - seconds["attach"] - seconds["other"] }' "$work/start"
echo
echo "guest instructions per add_key(2), $(uname -r)"
printf '%-40s %-12s %9s %9s %7s %9s %9s\n' observer payload median more ratio mean own
users bare
certificates bare
/share/build/key_ops_cost 200 bench_ring >/dev/null
operations bare

policy 'measure func=KEY_CHECK keyrings=another_ring'
systemctl start keyscribed
keyscribe wait ready --timeout 120
counted filtered $((user_calls - 3)) users "keyscribed, no rule for this keyring"
policy 'measure func=KEY_CHECK keyrings=another_ring op=all'
operations "keyscribed, no rule for this keyring"
policy 'measure func=KEY_CHECK'
counted filtered $((user_calls - 3)) users "keyscribed, no rule for this type"
policy 'measure func=KEY_CHECK keyrings=bench_ring key_type=user|asymmetric'
counted numbered $((user_calls - 3)) users "keyscribed, matching rule"
keyscribe wait idle --timeout 300
policy 'measure func=KEY_CHECK keyrings=bench_ring key_type=user|asymmetric op=all'
operations "keyscribed, matching rule"
keyscribe wait idle --timeout 300
counted numbered $((certificate_calls - 1)) certificates "keyscribed, matching rule"
keyscribe wait idle --timeout 300
keyscribe status | grep -E '^(captured|measured|lost)'
policy 'measure func=KEY_CHECK keyrings=bench_ring key_type=user|asymmetric'
slow_tpm 0 20

echo
users "bare, again"
certificates "bare, again"

function=security_key_post_create_or_update
grep -qw $function /proc/kallsyms || function=ima_post_key_create_or_update
bpftrace -B line -e "kprobe:$function { printf(\"%d %s %r\n\", pid, comm, buf(arg2, 64)); }" >"$work/bpftrace" 2>&1 &
bpftrace=$!
# It says "Attaching" before it does: it is attached when it has seen something.
until grep -q ' keyctl ' "$work/bpftrace"; do
    kill -0 $bpftrace || break
    keyctl add user probe x @s >/dev/null
    sleep 0.1
done
lines() { grep -c ' add_key_cost ' "$work/bpftrace"; }
users "bpftrace, kprobe, 64 bytes of the payload"
# It prints later, and forgets what it has not printed when it is stopped.
for _ in {1..300}; do
    (($(lines) < user_calls)) || break
    sleep 0.1
done
saw bpftrace "$(lines)" $user_calls
kill $bpftrace
timeout 60 tail --pid=$bpftrace -f /dev/null || kill -KILL $bpftrace
wait $bpftrace

auditd
auditd=$(pgrep -x auditd)
auditctl -a always,exit -F arch=b64 -S add_key -S keyctl >/dev/null
users "auditd, add_key rule"
auditctl -D >/dev/null
kill "$auditd"
timeout 60 tail --pid="$auditd" -f /dev/null
saw auditd "$(grep -c 'type=SYSCALL.*syscall=248 .*comm="add_key_cost"' /var/log/audit/audit.log)" $user_calls

if [[ -w /sys/kernel/security/ima/policy ]] &&
    echo 'measure func=KEY_CHECK keyrings=bench_ring' >/sys/kernel/security/ima/policy; then
    certificates "IMA KEY_CHECK, first of its digest"
    # It drops an entry whose digest it has had.
    saw "IMA, of one digest," "$(grep -c ' bench_ring ' /sys/kernel/security/ima/ascii_runtime_measurements)" 1
fi

exit $failures
