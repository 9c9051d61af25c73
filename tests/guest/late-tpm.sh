#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A TPM that appears after the service (run with --no-service): events wait for it, in order.

. "$(dirname "$0")/lib.sh"

# The daemon looks for this name; a driver that is loaded late makes it appear.
remove_tpm() { mv /dev/tpmrm0 /dev/not-yet; }
add_tpm() { mv /dev/not-yet /dev/tpmrm0; }

remove_tpm
mkdir -p $policy_dir
echo 'measure func=KEY_CHECK keyrings=watched' >$policy_dir/10-test.policy
check "the service starts without a TPM" systemctl start keyscribed
refute "doctor says that it is missing" keyscribe doctor
refute "it is not ready" keyscribe wait ready --timeout 2
equal "it waits for the TPM alone" "$(status '.waiting_for | join(",")')" tpm
ring=$(keyctl newring watched @u)
for i in 1 2 3; do
    certificate "c$i"
    keyctl padd asymmetric "" "$ring" <"$work/c$i.der" >/dev/null
done
keyctl padd user unwatched "$ring" <"$work/c1.der" >/dev/null
# The creation of the keyring as well.
check "the events wait" wait_for 10 counter waiting -ge 3
equal "none is measured" "$(status .counters.measured)" 0

add_tpm
check "ready" keyscribe wait ready --timeout 60
certificate c4
keyctl padd asymmetric "" "$ring" <"$work/c4.der" >/dev/null
settle
equal "those that waited come first, in order" "$(digests_of watched | tr '\n' ' ')" \
    "$(for i in 1 2 3 4; do printf 'sha256:%s ' "$(sha256 "$work/c$i.der")"; done)"
check "evmctl matches" evmctl_matches

echo "# what waits too long, or is too much, is counted and recorded"
systemctl stop keyscribed
remove_tpm
printf '[spool]\nmax_size = "64 KiB"\ndeadline = "20s"\n' >/etc/keyscribe/keyscribe.toml
systemctl start keyscribed
for i in 1 2 3 4 5; do
    certificate "large$i" 18000
    keyctl padd asymmetric "" "$ring" <"$work/large$i.der" >/dev/null
done
check "two were too much" wait_for 10 counter dropped -eq 2
# With these three, what systemd did with keyrings between stop and start: the programs stay attached.
check "three waited too long" wait_for 60 sh -c \
    'keyscribe status --json | jq -e ".counters | .waiting == 0 and .dropped >= 5 and .dropped == .captured"'
late=$(($(status .counters.dropped) - 2))
add_tpm
check "ready" keyscribe wait ready --timeout 60
settle
equal "the list says so" "$(records_of drop | jq -r '"\(.reason) \(.count)"' | sort | tr '\n' ' ')" "deadline $late size 2 "
check "evmctl matches" evmctl_matches

echo "# configuration that is wrong is refused with its line"
printf '[tpm]\npcr = 13\npcrs = 14\n' >/etc/keyscribe/keyscribe.toml
refute "the daemon does not start" systemctl restart keyscribed
check "the log has file and line" sh -c 'journalctl -b -u keyscribed -o cat --no-pager | grep -F "keyscribe.toml:3:"'
for pcr in 16 23; do
    printf '[tpm]\npcr = %s\n' $pcr >/etc/keyscribe/keyscribe.toml
    refute "PCR $pcr is refused" keyscribed
done
printf '[tpm]\npcr = 16\nforce_resettable_pcr = true\n' >/etc/keyscribe/keyscribe.toml
systemctl reset-failed keyscribed
check "unless it is forced" systemctl restart keyscribed

echo "# PCR 10, beside an IMA that measures nothing: the list begins with the kernel's own entry"
systemctl stop keyscribed
keyscribe detach
ima=/sys/kernel/security/ima/ascii_runtime_measurements
equal "IMA has its boot_aggregate alone" "$(awk '{ print $5 }' $ima)" boot_aggregate
mkdir $list_dir/ima
printf '[tpm]\npcr = 10\n[list]\ndirectory = "%s/ima"\n' $list_dir >/etc/keyscribe/keyscribe.toml
rm -f $policy_dir/*.policy
echo 'measure func=KEY_CHECK keyrings=watched' >$policy_dir/10-watched.policy
check "the service starts" systemctl start keyscribed
check "ready" keyscribe wait ready --timeout 60
keyctl padd asymmetric "" "$ring" <"$work/c1.der" >/dev/null
settle
text=$list_dir/ima/ascii_runtime_measurements
equal "the key is there" "$(awk '$5 == "watched" { print $4 }' $text)" "sha256:$(sha256 "$work/c1.der")"
if [[ $(uname -r) == 6.1.* ]]; then
    # It begins before it has SHA-384, and extends SHA-1's with zeros there: no replay explains that.
    equal "an extend in another bank's digest is foreign" "$(grep -c keyscribe:foreign $text)" 1
else
    equal "it is the list's first line" "$(head -n 1 $text)" "$(cat $ima)"
    equal "nothing is foreign" "$(grep -c keyscribe:foreign $text)" 0
    check "evmctl replays it from zeros" evmctl_matches $list_dir/ima/binary_runtime_measurements
fi
finish
