#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a TPM can do to the service, always while keys are added (run with tests/guest/share as the
# share, --no-service and --no-tpm): the TPM is swtpm behind the kernel's vTPM proxy, a device that
# comes and goes, and in front of it stands a TCTI that answers what it is told to.
# After each: the service runs, says what state it is in, every event is in the list exactly once, and
# the list replays to the PCR in every bank.

. "$(dirname "$0")/lib.sh"

bin=/share/bin
state=/run/swtpm
answers=$list_dir/faults/tpm
export TPM2TOOLS_TCTI=device:/dev/tpmrm0
rule='measure func=KEY_CHECK keyrings=load key_type=user op=create|update payload=full'
injected=0
issued=0
missing=0

# --- the TPM

# The file that swtpm resumes from, where there is one.
kept=$state/tpm2-00.volatilestate

# start_tpm: resumes a state that was kept, else it is a reset. The kernel gives the name that the dead
# one had as soon as nobody has that open any more.
start_tpm() {
    swtpm chardev --vtpm-proxy --tpm2 --tpmstate "dir=$state" --ctrl "type=unixio,path=$state/control" \
        --flags not-need-init >>"$state/log" 2>&1 &
    swtpm=$!
    if ! wait_for 20 test -c /dev/tpmrm0; then
        fail "swtpm: $(cat "$state/log") $(ls /dev/tpm*)"
        return
    fi
    # It is udev that gives it to the group, and then the kernel has started it.
    wait_for 20 tpm2_pcrread sha256:13
}

# keep_state: what swtpm has in its memory goes into a file (CMD_STORE_VOLATILE of its control channel).
keep_state() {
    python3 -c 'import socket, sys
control = socket.socket(socket.AF_UNIX)
control.connect(sys.argv[1])
control.sendall(bytes([0, 0, 0, 10]))
sys.exit(control.recv(4) != bytes(4))' "$state/control" && test -s "$kept"
}

kill_tpm() {
    kill -9 "$swtpm"
    wait "$swtpm" 2>/dev/null
    rm -f "$state/control"
    wait_for 20 not_ready
}
not_ready() { [[ $(status .tpm.ready) == false ]]; }

# answer CODE [COUNT]: by default until something else is to be answered.
answer() { echo "$1 ${2:-1000000}" >"$answers"; }
# The TCTI writes the same file, so it is said until it is heard.
answer_well() { wait_for 60 sh -c "echo 'none 0' >$answers; keyscribe wait ready --timeout 1"; }

# --- the load

# under_load WHAT COUNT [PROCESSES]: two processes, or so many, add COUNT keys each.
under_load() {
    echo "# $1"
    injected=$((injected + 1))
    from=$(stat -c %s $list 2>/dev/null || echo 0)
    pid=$(pid)
    "$bin/keyload" load "${3:-2}" "$2" 100 50000 >"$work/load" &
    loader=$!
}

# says STATE [TEXT]: the status has that state, and that text anywhere.
says() { [[ $(status .state) == "$1" ]] && keyscribe status | grep -qF "${2:-$1}"; }

# shown STATE [TEXT]: while the fault lasts, or after it.
shown() {
    check "the state says so" wait_for 30 says "$@"
    keyscribe status | sed -n '/^state/,/^kernel/ { /^kernel/d; s/^/        /p }; /^tpm/ s/^/        /p'
    echo "        $(systemctl show -p StatusText keyscribed)"
}

# all_well STATE: when the fault is over.
all_well() {
    wait "$loader" || fail "the load"
    check "everything is measured" settle
    equal "the service is the same process" "$(systemctl is-active keyscribed) $(pid)" "active $pid"
    shown "$1"
    local counts
    counts=$(grep -v seconds "$work/load" | tr '\n' ' ')
    # shellcheck disable=SC2086 # words
    "$(dirname "$0")/check_list.py" $list --from "$from" $counts >"$work/result"
    equal "each event once, in order; the list replays in every bank" "$?" 0
    grep -E '^(banks|keyscribe:(batch|tpm|foreign|restart)|issued|missing|accounted)' "$work/result" | tr '\n' ';' | sed 's/^/        /; s/$/\n/'
    issued=$((issued + $(awk '$1 == "issued" { print $2 }' "$work/result")))
    missing=$((missing + $(awk '$1 == "missing" { print $2 }' "$work/result")))
}

recorded() { records_of "$1" | tail -n 1 | grep -qF "$2"; }

# --- absent, and appearing later

mkdir -p $policy_dir /run/systemd/system/keyscribed.service.d "$state"
printf '[Service]\nEnvironment=LD_LIBRARY_PATH=%s\n' $bin >/run/systemd/system/keyscribed.service.d/tpm-faults.conf
systemctl daemon-reload
mkdir -p /etc/apparmor.d/local
echo "$bin/*.so* mr," >/etc/apparmor.d/local/usr.sbin.keyscribed
check "its AppArmor profile lets it load that TCTI" apparmor_parser --replace --skip-cache /etc/apparmor.d/usr.sbin.keyscribed
echo "$rule" >$policy_dir/10-load.policy
printf '[tpm]\ntcti = "faulty:control=%s:device:/dev/tpmrm0"\n[journal]\nenabled = false\n' "$answers" >/etc/keyscribe/keyscribe.toml
refute "there is no TPM" test -e /dev/tpm0
check "the service starts" systemctl start keyscribed
mkdir -p "${answers%/*}"

under_load "a TPM that is absent, and appears" 20
shown waiting "waiting for tpm"
modprobe tpm_vtpm_proxy
start_tpm
check "ready" keyscribe wait ready --timeout 60
all_well ready

# --- response codes

for code in retry testing yielded; do
    under_load "TPM_RC_${code^^}, twenty times" 20
    answer $code 20
    check "all were given" wait_for 30 grep -q ' 0' "$answers"
    all_well ready
done
for code in lockout failure; do
    under_load "TPM_RC_${code^^}, for as long as it takes" 20
    answer $code
    case $code in
    lockout) shown waiting "tpm2_dictionarylockout" ;;
    failure) shown waiting "restart the machine" ;;
    esac
    check "what comes meanwhile waits" wait_for 30 counter waiting -gt 0
    check "well again" answer_well
    all_well ready
done

# --- hanging

under_load "one command hangs for 30 s" 20
answer hang 1
shown waiting "measuring has waited for its answer"
captured=$(status .counters.captured)
keyctl add user "while it hangs" x "$(keyctl search @u keyring load)" >/dev/null
check "events are still captured" wait_for 5 counter captured -gt "$captured"
check "a reload is answered" timeout 5 keyscribe reload
check "well again" keyscribe wait ready --timeout 60
all_well ready

under_load "the TPM itself stands still for 30 s" 20
standing=$SECONDS
kill -STOP "$swtpm"
# What is waited for is a time.
while ((SECONDS < standing + 30)); do sleep 0.5; done
keyscribe status | grep -E '^(state|tpm)' | sed 's/^/        /'
kill -CONT "$swtpm"
check "well again" keyscribe wait ready --timeout 120
all_well ready

# --- killed and started again

# One process: what several did at the same moment is looked at again later, and that is measured.
under_load "swtpm killed; its state was kept" 40 1
wait "$loader"
settle
check "the state is kept" keep_state
kill_tpm
keyctl add user "while it is dead" x "$(keyctl search @u keyring load)" >/dev/null
shown waiting "waiting for tpm"
start_tpm
check "ready" keyscribe wait ready --timeout 60
all_well ready

under_load "swtpm killed; an older state was kept" 20
check "the state is kept" keep_state
keyctl add user "after that" x "$(keyctl search @u keyring load)" >/dev/null
settle
kill_tpm
start_tpm
check "ready" keyscribe wait ready --timeout 60
all_well degraded
check "the list says so" recorded tpm "set back"

under_load "swtpm killed; its state is lost" 20
rm -f "$kept"
kill_tpm
start_tpm
check "ready" keyscribe wait ready --timeout 60
all_well degraded
check "the list says so" recorded tpm "was reset"

# --- banks

echo "# a bank is deactivated while the service is stopped"
systemctl stop keyscribed
check "deactivated" tpm2_pcrallocate sha1:none+sha256:all+sha384:all+sha512:all
kill -9 "$swtpm"
wait "$swtpm" 2>/dev/null
rm -f "$state/control" "$kept"
check "the device goes" wait_for 20 test ! -e /dev/tpmrm0
start_tpm
systemctl start keyscribed
check "ready" keyscribe wait ready --timeout 60
under_load "the bank that is gone" 20
all_well degraded
check "the list says so" recorded tpm "sha1 sha256 sha384 sha512 to sha256 sha384 sha512"
equal "the bank is no longer there" "$(status '.tpm.values | keys | join(" ")')" "sha256 sha384 sha512"
check "evmctl matches" evmctl_matches

under_load "two banks are deactivated while the service runs" 20
check "deactivated" tpm2_pcrallocate sha1:none+sha256:all+sha384:none+sha512:none
kill_tpm
start_tpm
check "ready" keyscribe wait ready --timeout 60
all_well degraded
check "the list says so" recorded tpm "sha256 sha384 sha512 to sha256"
equal "one bank is left" "$(status '.tpm.values | keys | join(" ")')" "sha256"
check "evmctl matches" evmctl_matches

# --- somebody else

under_load "somebody else extends the PCR" 20
check "extended" tpm2_pcrextend 13:sha256="$(printf '%064d' 7)"
check "it is noticed" wait_for 30 sh -c 'keyscribe list --format json | grep -q keyscribe:foreign'
all_well degraded
# From here on evmctl cannot follow.
under_load "a reset after that" 20
kill_tpm
start_tpm
check "ready" keyscribe wait ready --timeout 60
all_well degraded
check "the list says so" recorded tpm "was reset"
equal "and where the PCR begins" "$(records_of foreign | wc -l)" 2

echo "# a new process"
systemctl restart keyscribed
check "ready" keyscribe wait ready --timeout 60
settle
equal "has nothing to complain of" "$(status .state)" ready
echo "injected: $injected; of $issued events lost: $missing"
finish
