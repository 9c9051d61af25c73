#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Programs that are attached and yet see nothing: the list says so within seconds, and what keyrings hold is
# looked at again.

. "$(dirname "$0")/lib.sh"

check "our policy" policy 10-test 'measure func=KEY_CHECK keyrings=watched key_type=user op=all'
check "ready" keyscribe wait ready --timeout 60
keyring=$(keyctl newring watched @s)
baselines() { records_of baseline-begin | grep -c '"missed"'; }
# baseline_has DESCRIPTION
baseline_has() { records_of baseline | grep -F "\"$1\"" >/dev/null; }
check "an event" keyctl add user before x "$keyring"
settle
check "is told" told before
equal "nothing was wrong" "$(records_of detached)" ""

echo "# kernel.ftrace_enabled"
check "it is turned off" sysctl -qw kernel.ftrace_enabled=0
check "nothing is seen" keyctl add user unseen x "$keyring"
check "the list says that nothing is" wait_for 20 detached "does not run the programs"
refute "no canary is promised" keyscribe evidence --nonce 0011 --canary -o /run/canary.evidence
check "it is turned on" sysctl -qw kernel.ftrace_enabled=1
check "the list says so" wait_for 20 detached "runs the programs again"
check "the key is found" wait_for 20 baseline_has unseen
check "an event" keyctl add user after x "$keyring"
settle
check "is told" told after

echo "# variables"
count=$(baselines)
check "they are zeroed" /share/bin/zero_variables /sys/fs/bpf/keyscribe/*/variables
check "the list says so" wait_for 20 detached "filter was changed"
more() { (($(baselines) > count)); }
check "keyrings are looked at" wait_for 20 more
check "an event" keyctl add user again x "$keyring"
settle
check "is told" told again
finish
