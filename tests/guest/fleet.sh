#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# One host of a fleet: enrols with the verifier that vm/fleet runs on the host machine, waits for the operator's yes, and
# attests by its units. vm/fleet and this wait for each other by files in /share.

. "$(dirname "$0")/lib.sh"

# reach NAME: this host has got there. heard NAME: vm/fleet has said so.
reach() { date +%s.%N >"/share/$1"; }
heard() { wait_for 300 test -e "/share/$1"; }
visit() { keyscribe status --json | jq -r ".verifier.last_visit | $1"; }
verdict_is() { [[ $(visit .verdict) == "$1" && $(visit .error) == null ]]; }

modprobe virtio_net
# udev gives it another name.
udevadm settle
card=$(cd /sys/class/net && echo e*)
check "the network card, $card" ip link set "$card" up
ip address add 10.0.2.15/24 dev "$card"

cp /usr/share/keyscribe/policy/trusted-keyrings.policy "$policy_dir/"
echo 'measure func=KEY_CHECK keyrings=_ima op=all' >"$policy_dir/20-fleet.policy"
check "a policy" keyscribe reload
check "ready" keyscribe wait ready --timeout 120
settle
# Every five minutes is long for a test.
mkdir -p /etc/systemd/system/keyscribe-attest.timer.d
printf '[Timer]\nOnUnitInactiveSec=10\nRandomizedDelaySec=2\n' \
    >/etc/systemd/system/keyscribe-attest.timer.d/test.conf
sed -i 's/^RestartSec=.*/RestartSec=3/' /usr/lib/systemd/system/keyscribe-attest.service
systemctl daemon-reload

echo "# enrolled, and not accepted"
equal "doctor says that nobody looks at this host" \
    "$(keyscribe doctor --json | jq -r '.checks[] | select(.what == "verifier") | .level')" note
wrong=$(sed 's/\..*/.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/' /share/token)
refute "a verifier of another key is no verifier" keyscribe enrol https://10.0.2.100:8443 --token "$wrong"
said=$(keyscribe enrol https://10.0.2.100:8443 --token-file /share/token --name "$(cat /share/name)")
echo "$said"
check "the host waits for a yes" grep "waiting for an operator's yes: the host is" <<<"$said"
check "the units are enabled" systemctl is-enabled keyscribe-attest.timer keyscribe-attest.path
check "and status says so" wait_for 60 sh -c \
    'keyscribe status | grep -F "waiting for an operator'"'"'s yes"'
exposure=$(systemd-analyze security --no-pager keyscribe-attest.service |
    sed -n 's/.*exposure level for keyscribe-attest.service: \([0-9.]*\).*/\1/p')
check "systemd-analyze security $exposure is 3.0 or less" awk -v e="$exposure" 'BEGIN { exit !(e != "" && e <= 3.0) }'
reach enrolled

echo "# accepted"
check "the operator's yes" heard accepted
check "the timer's visit is affirmed" wait_for 120 verdict_is affirmed
visit .
equal "doctor" "$(keyscribe doctor --json | jq -r '.checks[] | select(.what == "verifier") | .level')" ok
reach affirmed

if [[ -e /share/rogue ]]; then
    echo "# a key that nobody knows, between two visits of the timer"
    check "it is wanted" heard add-rogue
    openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=rogue -days 30 -outform DER -out "$work/rogue.der" 2>/dev/null
    cp "$work/rogue.der" /share/rogue.der
    ring=$(keyctl newring _ima @u)
    settle
    # The keyring itself made the list grow: that visit first.
    check "the visit for the keyring" wait_for 60 verdict_is affirmed
    systemctl stop keyscribe-attest.timer
    reach added
    keyctl padd asymmetric rogue "$ring" <"$work/rogue.der" >/dev/null
    check "the path's visit is contraindicated" wait_for 60 verdict_is contraindicated
    reach noticed

    echo "# keys while a visit runs, and just after it: the path alone has all of them sent"
    for i in $(seq 20); do
        keyctl padd asymmetric "burst $i" "$ring" <"$work/rogue.der" >/dev/null
        sleep "0.$((i * 7 % 10))"
    done
    settle
    check "no visit is left to do" wait_for 60 sh -c \
        '! test -e /run/keyscribe/grown/list && test "$(systemctl is-active keyscribe-attest)" = inactive'
    status .list.entries >/share/entries
    reach burst
    check "the verifier was asked" heard counted
    systemctl start keyscribe-attest.timer

    echo "# a verifier that is away"
    reach away-please
    check "it is gone" heard away
    check "status says since when" wait_for 60 sh -c \
        'keyscribe status --json | gojq -e ".verifier.last_visit.failing_since != null and .verifier.last_visit.verdict == \"contraindicated\""'
    keyctl padd asymmetric meanwhile "$ring" <"$work/rogue.der" >/dev/null
    settle
    reach back-please
    check "it is back" heard back
    check "and has heard what came meanwhile" wait_for 90 verdict_is contraindicated
else
    check "the other host has its key" heard noticed
    check "this one is affirmed still" verdict_is affirmed
fi
reach end
check "all is seen" heard finish
books_are_closed
finish
