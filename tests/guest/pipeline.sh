#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# From add_key(2) to the PCR, on a freshly booted guest with a TPM and no policy: what waits, what
# is captured, what is measured, and what others compute from it.

. "$(dirname "$0")/lib.sh"

echo "# doctor"
check "doctor finds everything" keyscribe doctor
keyscribe doctor
hook=$(status '.hooks[0].attach_point')
case $(uname -r) in
6.1.*) equal "6.1 has IMA's function alone" "$hook" fentry:ima_post_key_create_or_update ;;
*) equal "bpf is an active LSM here" "$hook" lsm:key_post_create_or_update ;;
esac

check "the journal has fields of ours" \
    test -n "$(journalctl -b -q --no-pager -o cat KEYSCRIBE_STATE=capturing KEYSCRIBE_HOOK="$hook")"

echo "# without a policy events wait, in order, and nothing is measured"
for name in early1 early2 early3; do certificate $name; done
ring=$(keyctl newring watched @u)
keyctl newring other @u >/dev/null
for name in early1 early2 early3; do
    keyctl padd asymmetric $name "$ring" <"$work/$name.der" >/dev/null
done
keyctl padd user unseen "$ring" <"$work/early1.der" >/dev/null
equal "state" "$(status '.state + " " + .waiting_for[0]')" "waiting policy"
# Not only they: the keyrings made above are public events too.
enough_wait() { (($(status .counters.waiting) >= 3)); }
check "the certificates wait" wait_for 10 enough_wait
equal "nothing measured" "$(status .counters.measured)" 0
zeros=$(printf '%064d' 0)
equal "PCR untouched" "$(pcr sha256)" "$zeros"
refute "no policy file is no policy" keyscribe reload
refute "it is not ready" keyscribe wait ready --timeout 1

echo "# the first policy judges what waited"
check "policy accepted" policy 10-test 'measure func=KEY_CHECK keyrings=watched'
check "ready" keyscribe wait ready --timeout 30
certificate late
keyctl padd asymmetric late "$ring" <"$work/late.der" >/dev/null
settle
equal "those that waited come first, in order" "$(digests_of watched | tr '\n' ' ')" \
    "$(for n in early1 early2 early3 late; do printf 'sha256:%s ' "$(sha256 "$work/$n.der")"; done)"
equal "the list begins with who is speaking" \
    "$(keyscribe list --format json | jq -r .name | head -n 3 | tr '\n' ' ')" \
    "boot_aggregate keyscribe:start keyscribe:policy "
equal "start record names the attach point" \
    "$(records_of start | jq -r '.hooks["create, update (add_key)"]')" "$hook"
equal "start record has the daemon's digest" "$(records_of start | jq -r .controller)" \
    "$(sha256 /usr/sbin/keyscribed)"
tpm2_pcrread sha256:0,1,2,3,4,5,6,7,8,9 -o "$work/boot-pcrs" >/dev/null
equal "boot_aggregate is the digest of PCR 0 to 9" \
    "$(keyscribe list --format json | jq -r 'select(.entry == 0) | .digest')" \
    "sha256:$(sha256 "$work/boot-pcrs")"
equal "policy record has the text" "$(records_of policy | jq -r '.files[0].text')" \
    "measure func=KEY_CHECK keyrings=watched"

echo "# what is not watched is not even sent"
before=$(status .counters.numbered)
filtered=$(status .counters.filtered)
keyctl padd asymmetric '' %:other <"$work/early1.der" >/dev/null
keyctl padd user 'a user key' "$ring" <"$work/early1.der" >/dev/null
settle
equal "but for the certificate, which could be linked to where it is watched" \
    "$(status .counters.numbered)" $((before + 1))
equal "the other was filtered" "$(($(status .counters.filtered) - filtered))" 1
equal "neither is measured" "$(digests_of other)" ""

echo "# payloads of every size, whole"
policy 10-test 'measure func=KEY_CHECK keyrings=watched' \
    'measure func=KEY_CHECK keyrings=sizes key_type=user|asymmetric payload=full'
sizes=$(keyctl newring sizes @u)
refute "the kernel refuses an empty user key" keyctl padd user empty "$sizes" </dev/null
expected=()
for size in 1 255 256 257 258 259 2049 2050 2051 4096 32767; do
    head -c "$size" /dev/urandom >"$work/$size.bin"
    keyctl padd user "size $size" "$sizes" <"$work/$size.bin" >/dev/null || fail "add $size bytes"
    expected+=("sha256:$(sha256 "$work/$size.bin")")
done
# One of 300 bytes: no extensions, and a small RSA key, since 6.1 refuses certificates with EC keys.
printf '[req]\ndistinguished_name=dn\n[dn]\n' >"$work/bare.cnf"
openssl req -x509 -config "$work/bare.cnf" -newkey rsa:512 -nodes -keyout /dev/null \
    -days 30 -subj '/CN=a small one' -outform DER -out "$work/certbare.der" 2>/dev/null
for extra in bare 0 500 3000 31500 34000; do
    [[ $extra == bare ]] || certificate "cert$extra" "$extra"
    keyctl padd asymmetric "" "$sizes" <"$work/cert$extra.der" >/dev/null ||
        fail "add a certificate of $(stat -c %s "$work/cert$extra.der") bytes"
    expected+=("sha256:$(sha256 "$work/cert$extra.der")")
done
echo "        certificates of $(stat -c %s "$work"/cert*.der | sort -n | tr '\n' ' ')bytes"
settle
equal "every payload is what was sent" "$(digests_of sizes | tr '\n' ' ')" "${expected[*]} "
equal "exactly one event each" "$(events | jq -r 'select(.keyring.name == "sizes") | .key.serial' | sort | uniq -c |
    awk '{ print $1 }' | sort -u)" 1
equal "none was cut" "$(events | jq -r 'select(.keyring.name == "sizes") | .payload.withheld' | sort -u)" null

echo "# create and update"
keyctl padd user 'size 1' "$sizes" <"$work/4096.bin" >/dev/null
settle
equal "an existing key is updated" "$(events | tail -n 1 | jq -r '.op + " " + .key.description')" \
    "update size 1"
equal "with the new payload" "$(events | tail -n 1 | jq -r .payload.sha256)" "$(sha256 "$work/4096.bin")"

echo "# the record has what the test did"
# Not exec'd by a shell of its own: the pid is keyctl's.
keyctl padd user 'who did it' "$sizes" <"$work/1.bin" >"$work/serial" &
pid=$!
wait $pid
settle
event=$(events | tail -n 1)
field() { jq -r "$1" <<<"$event"; }
serial=$(cat "$work/serial")
equal "key serial" "$(field .key.serial)" "$serial"
equal "keyring serial" "$(field .keyring.serial)" "$sizes"
equal "pid" "$(field .actor.pid)" "$pid"
equal "comm" "$(field .actor.comm)" keyctl
equal "uid" "$(field '.actor.uid, .actor.gid, .actor.euid' | tr '\n' ' ')" "0 0 0 "
described=$(keyctl rdescribe "$serial")
equal "type, uid, gid, perm and description are keyctl's" \
    "$(field '.key.type'),$(field .key.uid),$(field .key.gid),$(printf '%08x' "$(field .key.perm)"),$(field .key.description)" \
    "${described//;/,}"
cgroup=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
equal "cgroup" "$(field .actor.cgroup_id)" "$(stat -c %i "$cgroup")"
login=$(cat /proc/self/loginuid)
[[ $login != 4294967295 ]] || login=null
equal "login uid" "$(field .actor.login_uid)" "$login"
read -r uptime _ </proc/uptime
age=$(jq -r --arg up "$uptime" '($up | tonumber) - .boot_time_ns / 1e9' <<<"$event")
check "boot time" jq -en --arg age "$age" '($age | tonumber) > -1 and ($age | tonumber) < 60'

echo "# names of any bytes"
policy 10-test 'measure func=KEY_CHECK keyrings=watched' \
    'measure func=KEY_CHECK key_type=user desc=odd* payload=digest' \
    'measure func=KEY_CHECK key_type=asymmetric desc=odd*'
long=$(head -c 4090 /dev/zero | tr '\0' L)
names=("odd $(printf 'new\nline')" 'odd "quotes" '"'" "odd $(printf '\xff\xfe\x80 bytes')"
    'odd \ back\slash' "odd $(printf '\t\x1b[31m')" "odd: $(printf '\xc3\xa9 UTF-8')" "odd $long")
for name in "${names[@]}"; do
    keyctl padd user "$name" "$ring" <"$work/1.bin" >/dev/null || fail "add ${name:0:20}"
done
settle
equal "as many as were added" "$(records_of create | jq -c 'select(.type == "user" and .plain == null) | .sha256' | wc -l)" ${#names[@]}
# A baseline names a key once more, so it does not count how often.
# recorded NAME: in hex; of a long one (RECORDS.md) the first 222 bytes, NUL, and the SHA-256 of all.
recorded() {
    printf %s "$1" | if ((${#1} > 255)); then head -c 222; else cat; fi | od -v -An -tx1 | tr -d ' \n'
    ((${#1} <= 255)) || echo "00$(printf %s "$1" | sha256sum | cut -c1-64)"
}
equal "bytes survive" "$(for name in "${names[@]}"; do
    recorded "$name" | { read -r hex; template_data | grep -F "$hex" >/dev/null && echo there; }
done | uniq -c | awk '{ print $1 }')" ${#names[@]}
equal "records in the binary list" "$("$(dirname "$0")/check_list.py" $list | awk '$1 == "keyscribe:create" { print $2 }')" \
    "$(records_of create | wc -l)"
for name in "$(printf 'ring\n13 forged line')" "ring with blanks" "$(printf 'ring\xff')" "keyscribe:start"; do
    odd=$(keyctl newring "$name" @u)
    certificate odd
    keyctl padd asymmetric "odd in ring" "$odd" <"$work/odd.der" >/dev/null
done
settle
equal "a line for each entry" "$(wc -l <$list_dir/ascii_runtime_measurements)" \
    "$(keyscribe list --format json | wc -l)"
equal "a keyring cannot pass for a record" "$(keyscribe list --format json |
    jq -r 'select(.name == "keyscribe:start") | .entry')" 1
equal "ima format is the text file" "$(keyscribe list --format ima | sha256sum)" \
    "$(sha256sum <$list_dir/ascii_runtime_measurements)"

echo "# secrets stay in the kernel"
policy 10-test 'measure func=KEY_CHECK keyrings=watched' 'measure func=KEY_CHECK key_type=*'
marker=MARKER$(od -An -tx1 -N8 /dev/urandom | tr -d ' \n')
# The needle is put together by the program that looks, so that the search finds no copy of itself.
printf '%s' "${marker:0:8}" >"$work/needle1"
printf '%s' "${marker:8}" >"$work/needle2"
printf '%s%s' "$(cat "$work/needle1")" "$(cat "$work/needle2")" | keyctl padd user secret "$ring" >/dev/null
printf '%s%s' "$(cat "$work/needle1")" "$(cat "$work/needle2")" | keyctl padd logon secret:logon "$ring" >/dev/null
openssl pkcs8 -topk8 -nocrypt -in "$work/key.pem" -outform DER -out "$work/private.der"
modprobe pkcs8_key_parser
keyctl padd asymmetric private "$ring" <"$work/private.der" >/dev/null || fail "add a private key"
settle
equal "they are recorded, without a payload" \
    "$(records_of create | jq -r 'select(.withheld == "secret") | .type' | tail -n 3 | tr '\n' ' ')" \
    "user logon asymmetric "
daemon=$(pid)
gcore -o "$work/core" "$daemon" >/dev/null 2>&1
check "a core of the daemon was taken" test -s "$work/core.$daemon"
private_part=$(openssl rsa -in "$work/key.pem" -noout -text 2>/dev/null |
    awk '/^prime1:/ { on = 1; next } /^[a-z]/ { on = 0 } on' | tr -d ' :\n' | cut -c3-34)
journalctl -b -o export --no-pager >"$work/journal"
cat > "$work/search.pl" <<'P'
# search.pl FILE...: exits 0 where the marker or the private key's prime stands in one of them.
my ($one, $two, $prime) = @ENV{qw(ONE TWO PRIME)};
my $marker = $one . $two; my $key = pack("H*", $prime); my $found = 1;
for my $file (@ARGV) { local $/; open(my $in, "<", $file) or die "$file: $!"; $_ = <$in>;
    if (index($_, $marker) >= 0 || index($_, $key) >= 0) { print "found in $file\n"; $found = 0; } }
exit $found;
P
search() {
    ONE=$(cat "$work/needle1") TWO=$(cat "$work/needle2") PRIME=$private_part perl "$work/search.pl" "$@"
}
printf '%s' "$marker" >"$work/control"
check "the search finds what is there" search "$work/control"
check "the search finds the private key" search "$work/private.der"
rm -f "$work/control"
refute "not in the daemon's memory" search "$work/core.$daemon"
mapfile -t files < <(find $list_dir /var/log/keyscribe -type f)
refute "not in list, spool or event journal" search "${files[@]}" "$work/journal"

echo "# the daemon's own rights"
equal "no capability is left" "$(awk '/^Cap(Inh|Prm|Eff|Amb)/ { print $2 }' "/proc/$daemon/status" | sort -u)" 0000000000000000
equal "modes of the list" "$(stat -c '%a %U %G' $list $list_dir/ascii_runtime_measurements $list_dir | sort -u | tr '\n' ';')" \
    "640 root keyscribe;750 root keyscribe;"
refute "others cannot ask" setpriv --reuid 65534 --regid 65534 --clear-groups keyscribe status
refute "members cannot change" setpriv --reuid 65534 --regid "$(getent group keyscribe | cut -d: -f3)" --clear-groups keyscribe reload
check "members can ask" setpriv --reuid 65534 --regid "$(getent group keyscribe | cut -d: -f3)" --clear-groups keyscribe status
# Each byte that is not written is an error.
unwritten() { "$@" >/dev/full 2>"$work/why"; (($? == 2)) && grep -q 'cannot write the standard output' "$work/why"; }
check "a list that nobody gets is an error" unwritten keyscribe list
check "and so is a status" unwritten keyscribe status
refute "no second daemon" keyscribed
equal "the first goes on" "$(systemctl is-active keyscribed)" active
exposure=$(systemd-analyze security --no-pager keyscribed.service | sed -n 's/.*exposure level for keyscribed.service: \([0-9.]*\).*/\1/p')
check "systemd-analyze security $exposure is 3.0 or less" awk -v e="$exposure" 'BEGIN { exit !(e != "" && e <= 3.0) }'
refute "no line of the log names a forbidden system call" grep -q SIGSYS "$work/journal"

echo "# after a crash the list goes on"
entries=$(keyscribe list --format json | wc -l)
systemctl kill -s KILL keyscribed
another_runs() { [[ $(pid) != "$daemon" ]] && keyscribe status; }
check "systemd starts it again" wait_for 60 another_runs
check "it gets ready" keyscribe wait ready --timeout 60
certificate after
keyctl padd asymmetric '' "$ring" <"$work/after.der" >/dev/null
settle
equal "a restart record says where" "$(records_of restart | jq -r .entries)" "$entries"
equal "and events are measured" "$(digests_of watched | tail -n 1)" "sha256:$(sha256 "$work/after.der")"

echo "# what others make of it"
check "evmctl matches the list in SHA-1 and SHA-256" evmctl_matches
equal "sha256 of the PCR" "$(replay sha256)" "$(pcr sha256)"
equal "status shows the same" "$(status .tpm.values.sha256)" "$(pcr sha256)"
cp $list "$work/forged"
printf 'X' | dd of="$work/forged" bs=1 seek=$(($(stat -c %s "$work/forged") - 1)) conv=notrunc 2>/dev/null
refute "evmctl does not match a forged one" evmctl_matches "$work/forged"
# A canonical event log has the same template data, in JSON.
keyscribe list --format cel-json >"$work/cel.json"
equal "CEL has the list's entries" "$(jq -r '.[].content.template_data' "$work/cel.json" | sha256sum)" \
    "$(template_data | sha256sum)"
equal "and the digests that were extended" \
    "$(jq -r '.[].digests[] | select(.hashAlg == "sha256") | .digest' "$work/cel.json")" \
    "$(cd "$work/templates" && find . -type f | sort | xargs sha256sum | cut -d' ' -f1)"
equal "numbered from 0" "$(jq '[.[].recnum] == [range(length)]' "$work/cel.json")" true
check "as CBOR" keyscribe list --format cel-cbor
check "as TLV" keyscribe list --format cel-tlv

echo "# a canary has no number that could be missing, and no record, however the daemon ends"
policy 10-all 'measure func=KEY_CHECK key_type=user|keyring op=all' >/dev/null
(while :; do curl -s --unix-socket $list_dir/control.sock -d '{"nonce": "00"}' http://localhost/v1/canary; done) \
    >"$work/asked" 2>&1 &
asking=$!
answers() { (($(records_of canary | wc -l) > canaries)); }
for end in TERM KILL KILL KILL; do
    canaries=$(records_of canary | wc -l)
    check "canaries are answered" wait_for 60 answers
    daemon=$(pid)
    kill -$end "$daemon"
    check "another daemon after $end" wait_for 60 another "$daemon"
done
check "ready" keyscribe wait ready --timeout 60
kill $asking
settle
equal "nothing is told as lost" "$(records_of loss)$(status .counters.lost)" 0
equal "nor recorded" "$(keyscribe list --format json | grep -a -e 'keyscribed asks' -e '"_tid"')" ""
equal "nor is a program told to be silent" "$(records_of detached | grep -v 'the daemon stood still')" ""
finish
