#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The daemon dies at the named points around the kernel's ring and at random moments, always under load, and is
# replaced by another build: afterwards the list replays in every bank, and each event stands in it
# exactly once and in order (run with tests/guest/share as the share, and --no-service).
# KILLS: at how many random moments (10). PAUSE: between two events of one process, microseconds (100000).

. "$(dirname "$0")/lib.sh"

bin=/share/bin
kills=${KILLS:-10}
rule='measure func=KEY_CHECK keyrings=load key_type=user|asymmetric op=create|update payload=full'
# Those around the ring, and one of the recorder's: tests/unit/crash_test.cpp has all of them.
points=(before-ring-read before-spool-write after-spool-write after-ring-release after-list-append)
faults=$list_dir/faults
mkdir -p $policy_dir /run/systemd/system/keyscribed.service.d
cat >/run/systemd/system/keyscribed.service.d/faults.conf <<U
[Service]
Environment=KEYSCRIBE_FAULTS=$faults
# More deaths in the same time.
RestartSec=0
U
cp /usr/sbin/keyscribed /usr/sbin/keyscribed.product
check "a daemon with fault points is there" install $bin/keyscribed-faults /usr/sbin/keyscribed
systemctl daemon-reload
echo "$rule" >$policy_dir/10-load.policy
printf '[journal]\nenabled = false\n' >/etc/keyscribe/keyscribe.toml
check "the service starts" systemctl start keyscribed
mkdir -p $faults
check "ready" keyscribe wait ready --timeout 120
check "programs are pinned" test -n "$(ls /sys/fs/bpf/keyscribe)"

"$bin/keyload" load 2 0 100 "${PAUSE:-100000}" >"$work/load" &
loader=$!
for point in "${points[@]}"; do
    before=$(pid)
    echo "$point 1" >$faults/fault
    check "died at $point" inject wait_for 60 test -e $faults/fault.done
    rm -f $faults/fault $faults/fault.done
    check "runs again after $point" wait_for 60 another "$before"
done
RANDOM=${SEED:-4711}
for ((i = 0; i < kills; i++)); do
    before=$(pid)
    sleep "0.$((RANDOM % 1000 + 1000))"
    inject kill -9 "$before"
    wait_for 60 another "$before" || fail "runs again after a kill"
done
put_in_place() {
    install "$1" /usr/sbin/keyscribed.new
    mv /usr/sbin/keyscribed.new /usr/sbin/keyscribed
}
# Another build takes the place of the running one, and is replaced in turn; its records have more members.
for build in /usr/sbin/keyscribed.product $bin/keyscribed-faults; do
    set_before=$(ls /sys/fs/bpf/keyscribe)
    put_in_place "$build"
    if [[ $build == *-faults ]]; then
        echo "before-former-release 50" >$faults/fault
        inject systemctl restart keyscribed 2>/dev/null
        check "died while the new build loads" wait_for 60 test -e $faults/fault.done
        rm -f $faults/fault $faults/fault.done
        check "and begins again by itself" wait_for 60 systemctl is-active -q keyscribed
    fi
    check "replaced by $(basename "$build")" inject systemctl restart keyscribed
    equal "one set of programs is left" "$(find /sys/fs/bpf/keyscribe -mindepth 1 -maxdepth 1 | wc -l)" 1
    refute "it is another one" test "$(ls /sys/fs/bpf/keyscribe)" = "$set_before"
done
kill "$loader"
wait "$loader"
check "all is measured in the end" keyscribe wait idle --timeout 120
counts=$(grep -v seconds "$work/load" | tr '\n' ' ')
check "exactly once, in order, nothing lost or made up" "$(dirname "$0")/check_list.py" $list $counts
"$(dirname "$0")/check_list.py" $list $counts | tee "$work/result"
check "evmctl matches" evmctl_matches
equal "nothing was lost" "$(awk '$1 == "missing" || $1 == "accounted" { print $2 }' "$work/result" | tr '\n' ' ')" "0 0 "

echo "# a build whose records no other can read"
size=$(stat -c %s $list)
"$bin/keyload" load 2 0 100 "${PAUSE:-100000}" >"$work/load" &
loader=$!
for build in $bin/keyscribed-next /usr/sbin/keyscribed.product; do
    put_in_place "$build"
    check "replaced by $(basename "$build")" inject systemctl restart keyscribed
    check "ready" keyscribe wait ready --timeout 120
done
kill "$loader"
wait "$loader"
check "all is measured in the end" keyscribe wait idle --timeout 120
# shellcheck disable=SC2046 # words
check "what it could not read is dropped, and told" "$(dirname "$0")/check_list.py" $list --from "$size" \
    $(grep -v seconds "$work/load")
check "by its reason" sh -c 'keyscribe list --format json --name keyscribe:drop | grep -q \"version\"'
refute "nobody is blamed for it" sh -c 'keyscribe list --format json --name keyscribe:tampered | grep -q .'
equal "one set of programs is left" "$(find /sys/fs/bpf/keyscribe -mindepth 1 -maxdepth 1 | wc -l)" 1

echo "# detach"
traced() { grep -q key_post_create_or_update /sys/kernel/tracing/enabled_functions; }
gone() { ! traced; }
ring=$(keyctl newring load @u)
inject systemctl stop keyscribed
check "stopping leaves the programs" test -n "$(ls /sys/fs/bpf/keyscribe)"
keyctl add user "while nobody runs" "0 99999 " "$ring" >/dev/null
systemctl start keyscribed
check "ready" keyscribe wait ready --timeout 60
settle
check "what happened meanwhile is measured" told "while nobody runs"
systemctl stop keyscribed
check "the kernel calls the program" traced
inject rm /sys/fs/bpf/keyscribe/*/link_create_or_update*
# The kernel detaches it in a thread of its own, a moment later.
check "its program is detached" wait_for 30 gone
keyctl add user "nobody sees it" x "$ring" >/dev/null
systemctl start keyscribed
check "ready" keyscribe wait ready --timeout 60
check "a link that went is noticed" wait_for 30 detached "not complete"
settle
refute "what nobody saw is no event" told "nobody sees it"
check "it stands in the baseline" sh -c 'keyscribe list --format json --name keyscribe:baseline | grep -q "nobody sees it"'
equal "the service is well" "$(systemctl is-active keyscribed)" active
refute "detach is refused while it runs" keyscribe detach
systemctl stop keyscribed
check "detach" keyscribe detach
equal "nothing is left" "$(find /sys/fs/bpf/keyscribe -mindepth 1 2>/dev/null)" ""
printf '[journal]\nenabled = false\n[capture]\ndetach_on_stop = true\n' >/etc/keyscribe/keyscribe.toml
systemctl start keyscribed
check "programs are pinned again" test -n "$(ls /sys/fs/bpf/keyscribe)"
systemctl stop keyscribed
equal "stopping detaches where configured" "$(find /sys/fs/bpf/keyscribe -mindepth 1)" ""

echo "# before the service"
# Without a policy the programs record keys of public types alone: certificates.
certificate early
certificate late
check "keyscribe-attach leaves the programs" /usr/libexec/keyscribe-attach
check "and finds them there again" /usr/libexec/keyscribe-attach
refute "it knows no other option" /usr/libexec/keyscribe-attach --version
keyctl padd asymmetric "" "$ring" <"$work/early.der" >/dev/null
systemctl start keyscribed
check "ready" keyscribe wait ready --timeout 60
keyctl padd asymmetric "" "$ring" <"$work/late.der" >/dev/null
settle
equal "what came before it is measured, and first" "$(digests_of load | tail -n 2 | tr '\n' ' ')" \
    "sha256:$(sha256 "$work/early.der") sha256:$(sha256 "$work/late.der") "
# Canaries were asked all the while.
equal "no event is told as lost" "$(records_of loss)" ""
echo "injected: $(wc -l <"$work/injected"); of $(awk '$1 == "issued" { print $2 }' "$work/result") events lost: $(awk '$1 == "missing" { print $2 }' "$work/result")"
finish
