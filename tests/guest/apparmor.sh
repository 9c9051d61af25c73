#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# AppArmor confines the daemon, however it came to run, and the verifier, and neither is denied anything. An operator's
# commands, which are the verifier's program too, are not confined. That the other suites' daemons are not hindered
# either, finish looks at in each of them.

. "$(dirname "$0")/lib.sh"

equal "AppArmor confines the daemon" "$(confined keyscribed)" "keyscribed (enforce)"
equal "from its first start" "$(systemctl show -P NRestarts keyscribed)" 0
check "our policy" policy 10-test 'measure func=KEY_CHECK keyrings=watched key_type=user op=all'
check "ready" keyscribe wait ready --timeout 60
keyring=$(keyctl newring watched @s)
# works WHEN: a key is seen, and measured.
works() {
    equal "confined $1" "$(confined keyscribed)" "keyscribed (enforce)"
    keyctl add user "$1" x "$keyring" >/dev/null
    settle
    check "a key is told" told "$1"
}

check "reload" systemctl reload keyscribed
works "after a reload"
before=$(pid)
kill -9 "$before"
check "it comes back" wait_for 60 another "$before"
works "after a kill"
check "an attestation key" keyscribe ak create -o "$work/ak"
check "evidence" keyscribe evidence --canary --nonce 0011 -o "$work/evidence"
check "the list and the kernel agree" keyscribe keyrings --verify

echo "# the verifier"
check "its profile is loaded" apparmor_parser --replace --skip-cache /etc/apparmor.d/keyscribe-verifier
check "it starts" systemctl start keyscribe-verifier
equal "AppArmor confines it" "$(confined keyscribe-verifier)" "keyscribe-verifier (enforce)"
check "it serves" wait_for 60 curl -skf https://127.0.0.1:8443/healthz
token=$(journalctl -b -u keyscribe-verifier -o cat --no-pager | awk '/^enrolment token/ { print $NF }')
check "a host asks to be one of its" sh -c \
    'keyscribe enrol https://127.0.0.1:8443 --token "$1" --name guest | grep -F "waiting for an operator"' - "$token"
check "an operator's yes" keyscribe-verifier enrolments accept \
    "$(keyscribe-verifier --json enrolments list | jq -r .id)" --reason ours
certificate reference
check "a certificate of root's" keyscribe-verifier references add --why ours "$work/reference.der"
visit() { keyscribe attest >/dev/null 2>&1; (($? <= 1)); }
check "the host has a verdict" wait_for 30 visit
equal "and its row" "$(keyscribe-verifier --json hosts list | jq -r .name)" guest
check "the verifier restarts" systemctl restart keyscribe-verifier
check "it serves" wait_for 60 curl -skf https://127.0.0.1:8443/healthz
check "another visit" wait_for 30 visit
systemctl stop keyscribe-verifier
finish
