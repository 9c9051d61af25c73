# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the guest's suites share: checks, keys, and the service. Source it first.
#
# A check that fails is printed with what was found, counted, and the suite goes on; finish prints
# the counts and sets the exit status. Before each stands how many seconds the suite has run.

set -uo pipefail
export LC_ALL=C

list_dir=/run/keyscribe
list=$list_dir/binary_runtime_measurements
policy_dir=/etc/keyscribe/policy.d
work=$(mktemp -d)
# A service has a session keyring of its own: only through it does what we make belong to us.
keyctl link @u @s 2>/dev/null
passed=0
failed=0

pass() {
    passed=$((passed + 1))
    printf '%4d ok      %s\n' "$SECONDS" "$*"
}

fail() {
    failed=$((failed + 1))
    printf '%4d NOT OK  %s\n' "$SECONDS" "$*"
}

# check WHAT COMMAND...: the command succeeds.
check() {
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then pass "$what"; else
        fail "$what"
        printf '        %s\n' "$*: ${output:-no output}" | head -n 20
    fi
}

# refute WHAT COMMAND...: the command fails.
refute() {
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then
        fail "$what"
        printf '        %s\n' "$* succeeded: $output" | head -n 20
    else pass "$what"; fi
}

# equal WHAT FOUND EXPECTED
equal() {
    if [[ $2 == "$3" ]]; then pass "$1"; else
        fail "$1"
        printf '        found    %s\n        expected %s\n' "$2" "$3" | cut -c1-400
    fi
}

# The profile that confines a service's main process, as "NAME (enforce)"; "unconfined".
confined() { cat "/proc/$(systemctl show -P MainPID "$1")/attr/current"; }

finish() {
    # Each guest's daemon is confined, where AppArmor is on (keyscribed-apparmor.service).
    equal "AppArmor denied nothing" "$(dmesg | grep -F 'apparmor="DENIED"')" ""
    echo "$(basename "$0") on $(uname -r): $passed passed, $failed failed"
    if ((failed)); then
        keyscribe status
        journalctl -b -u keyscribed -o cat --no-pager | tail -n 30
    fi
    ((failed == 0 && passed > 0))
    exit
}

# wait_for SECONDS COMMAND...: until the command succeeds. The longer it takes, the more rarely it is tried: what
# is waited for has to share two emulated CPUs with it.
wait_for() {
    local deadline=$((SECONDS + $1)) pause
    shift
    for pause in 0.1 0.1 0.2 0.4; do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep $pause
    done
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.8
    done
}

# The daemon has measured (or judged) every event so far.
settle() { keyscribe wait idle --timeout 120; }

# Starts in a tenth of the time that jq 1.6 takes, which under emulation is half a second.
jq() { gojq "$@"; }

status() { keyscribe status --json | jq -r "$1"; }
# counter NAME OPERATOR NUMBER, as test(1) compares: counter waiting -ge 3
counter() { test "$(status ".counters.$1")" "$2" "$3"; }

# When all is settled: every event is accounted for, and the kernel has nothing to complain of.
counters_add_up() {
    equal "counters add up" "$(status '.counters | .captured + .restored - .measured - .unmatched - .waiting - .dropped')" 0
}
# The same, and the list has what was lost since the programs were attached, which the status counts.
books_are_closed() {
    local lost told
    counters_add_up
    lost=$(status '.counters | "\(.lost) \(.missed)"')
    # Two busy CPUs under emulation can starve the reader: what did not come through is in the list.
    told=$(keyscribe list --format json --name keyscribe:loss --name keyscribe:missed |
        jq -rs 'def sum($kind): map(select(.name == "keyscribe:" + $kind).record.count) | add // 0;
            "\(sum("loss")) \(sum("missed"))"')
    equal "what was lost is in the list" "$lost" "$told"
    equal "no warning in the kernel's log" "$(dmesg | grep -E 'WARNING:|BUG:|Oops|hung task|detected stall')" ""
}

# policy NAME RULE...: one file with these rules, alone in the directory, put in force.
policy() {
    local name=$1
    shift
    rm -f "$policy_dir"/*.policy
    printf '%s\n' "$@" >"$policy_dir/$name.policy"
    keyscribe reload
}

# certificate NAME [BYTES]: $work/NAME.der, with an extension that makes it about BYTES larger.
certificate() {
    local extra=()
    [[ -z ${2:-} ]] || extra=(-addext "nsComment=ASN1:UTF8String:$(head -c "$2" /dev/zero | tr '\0' c)")
    [[ -s $work/key.pem ]] || openssl genrsa -out "$work/key.pem" 2048 2>/dev/null
    if ((${2:-0} > 100000)); then
        printf '[req]\ndistinguished_name=dn\n[dn]\n[ext]\nnsComment=ASN1:UTF8String:%s\n' \
            "$(head -c "$2" /dev/zero | tr '\0' c)" >"$work/$1.cnf"
        openssl req -x509 -new -key "$work/key.pem" -days 30 -subj "/CN=$1" -outform DER \
            -config "$work/$1.cnf" -extensions ext -out "$work/$1.der"
    else
        openssl req -x509 -new -key "$work/key.pem" -days 30 -subj "/CN=$1" -outform DER \
            "${extra[@]}" -out "$work/$1.der"
    fi
}

sha256() { sha256sum "$1" | cut -d' ' -f1; }

# from_list NAME FILTER: of the entries of a name, what the filter of jq says.
from_list() { keyscribe list --format json --name "$1" | jq -cr "$2"; }

# The entries of a keyring's name, as "digest" lines in the list's order.
digests_of() { from_list "$1" .digest; }

# The records of a kind ("create", "policy", ...), a JSON object a line.
records_of() { from_list "keyscribe:$1" .record; }

# The event journal of this boot.
events() { cat "/var/log/keyscribe/$(cat /proc/sys/kernel/random/boot_id)/events.jsonl"; }

# pcr BANK: PCR 13 as the kernel reads it, in lower-case hex.
pcr() {
    local value
    value=$(<"/sys/class/tpm/tpm0/pcr-$1/13")
    echo "${value,,}"
}

# evmctl's input: all PCRs of a bank.
pcr_file() {
    tpm2_pcrread "$1:all" | tr -d ':' |
        awk '$2 ~ /^0x/ { printf "PCR-%02d: %s\n", $1, tolower(substr($2, 3)) }'
}

# An entry has more template data than evmctl 1.5 (Debian 13) reads, 4,096 bytes: there it ends.
beyond_evmctl() {
    evmctl --version | grep -qF 'evmctl 1.5' || return 1
    replay sha256 >/dev/null
    [[ $(find "$work/templates" -size +4096c) ]]
}

# evmctl replays the list to the TPM's PCRs. It exits 0 without having compared anything as well,
# so its sentence is what counts.
evmctl_matches() {
    local bank pcrs=()
    if [[ ! ${1:-} ]] && beyond_evmctl; then
        echo "evmctl 1.5 does not read this list; Python's hashlib replays it"
        [[ $(replay sha256) == "$(pcr sha256)" ]]
        return
    fi
    for bank in sha1 sha256; do
        pcr_file "$bank" >"$work/pcrs.$bank"
        # A bank can be deactivated.
        [[ ! -s $work/pcrs.$bank ]] || pcrs+=(--pcrs "$bank,$work/pcrs.$bank")
    done
    evmctl ima_measurement "${pcrs[@]}" "${1:-$list}" 2>&1 | grep -F 'Matched per TPM bank calculated digest(s).'
}

# The list, replayed here by Python's hashlib, gives PCR 13 of the bank: replay BANK. Leaves each
# entry's template data in a file of its own.
replay() {
    rm -rf "$work/templates"
    mkdir "$work/templates"
    python3 - "$1" "$list" "$work/templates" <<'P'
import hashlib, struct, sys
bank, path, folder = sys.argv[1:]
data = open(path, "rb").read()
value = bytes(hashlib.new(bank).digest_size)
at = number = 0
while at < len(data):
    # PCR, SHA-1, then the template's name and its data, each behind its length.
    name_end = at + 28 + struct.unpack_from("<I", data, at + 24)[0]
    end = name_end + 4 + struct.unpack_from("<I", data, name_end)[0]
    template = data[name_end + 4:end]
    open(f"{folder}/{number:06}", "wb").write(template)
    value = hashlib.new(bank, value + hashlib.new(bank, template).digest()).digest()
    at, number = end, number + 1
print(value.hex())
P
}

# inject COMMAND...: what is done to the daemon, or around it, is counted, and when: in files, since
# checks and pipes are subshells.
inject() {
    local status=0
    echo "$*" >>"$work/injected"
    cut -d' ' -f1 /proc/uptime >"$work/injected-from"
    "$@" || status=$?
    cut -d' ' -f1 /proc/uptime >"$work/injected-at"
    return $status
}

# since_injected KIND TEXT: such records with that text that were made since then.
since_injected() {
    records_of "$1" | grep -F "$2" |
        jq -c --argjson from "$(cat "$work/injected-from")" 'select(.time / 1e9 >= $from)' | grep .
}

# in_time TIME: a record with that time (of RECORDS.md, in ns) was made within 5 s of what was injected. A guest shares
# its processor with others, which its clock does not know: half as long again is allowed, or as much as the same work
# takes longer now.
in_time() {
    local after begun i
    [[ ${1:-} ]] || { echo "there is none" && return 1; }
    after=$(awk -v at="$1" -v since="$(cat "$work/injected-at")" 'BEGIN { print at / 1e9 - since }')
    echo "after $after s"
    awk -v after="$after" 'BEGIN { exit !(after > 5) }' || return 0
    begun=$EPOCHREALTIME
    # Under emulation it takes 0.5 s on a core of its own, and 1 beside another guest.
    for ((i = 0; i < 10000; i++)); do :; done
    awk -v after="$after" -v begun="$begun" -v now="$EPOCHREALTIME" 'BEGIN {
        slowness = now - begun
        print "work takes " slowness " times as long"
        exit !(after <= 5 * (slowness < 1.5 ? 1.5 : slowness)) }'
}

# Its only process, 0: there is none; systemctl takes ten times as long. One that was just killed leaves the cgroup
# empty while systemd still says "active".
pid() {
    local now
    now=$(cat /sys/fs/cgroup/system.slice/keyscribed.service/cgroup.procs 2>/dev/null)
    echo "${now:-0}"
}
# another PID: the service runs again under a new process.
another() {
    local now
    now=$(pid)
    [[ $now != 0 && $now != "$1" ]] && systemctl is-active -q keyscribed
}

# told DESCRIPTION: the list has the event itself; that a baseline names the key is not enough.
told() {
    keyscribe list --format json --name keyscribe:create --name keyscribe:update |
        jq -en --arg description "$1" 'any(inputs; .record.description == $description)'
}

# detached TEXT, tampered TEXT: the list has such a record whose "what" has the text.
detached() { records_of detached | grep "$1" >/dev/null; }
tampered() { records_of tampered | grep "$1" >/dev/null; }

xxd_r() { perl -e 'print pack("H*", $ARGV[0])' "$1"; }

# The template data of each entry, in hex, straight from the binary list.
template_data() {
    perl -e 'local $/; open F, "<", $ARGV[0]; $_ = <F>; my $p = 0;
        while ($p < length) {
            my $n = unpack("V", substr($_, $p + 24, 4)); my $q = $p + 28 + $n;
            my $m = unpack("V", substr($_, $q, 4));
            print unpack("H*", substr($_, $q + 4, $m)), "\n"; $p = $q + 4 + $m; }' "$list"
}

# SHA-256 of the subjectPublicKey BIT STRING's bytes of a certificate in DER, by openssl.
fingerprint() {
    local der=$work/spki.der offset
    openssl x509 -inform DER -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER -out "$der"
    offset=$(openssl asn1parse -inform DER -in "$der" | awk -F: '/BIT STRING/ { print $1 + 0; exit }')
    openssl asn1parse -inform DER -in "$der" -strparse "$offset" -noout -out "$work/spki.key"
    sha256 "$work/spki.key"
}

# Those of all public keys of a kind of record, from the hexadecimal form.
public_keys_of() {
    records_of "$1" | jq -r "select($2) | .public_key // empty" | while read -r key; do
        xxd_r "$key" | sha256sum | cut -d' ' -f1
    done
}

# Fingerprints of the certificates that were built into the kernel, from its image (vm/kernel).
built_in_certificates() {
    local der
    for der in /harness/certificates/*.der; do fingerprint "$der"; done
}
