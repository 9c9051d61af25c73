#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# An ordinary user makes many of each thing that they may make many of (many.c). A busy administrator's keys are on the
# list all the while, each within five seconds (one, where nothing else loads the machine); no event is lost, the daemon is the same, and its memory is bounded.

. "$(dirname "$0")/lib.sh"

# Nothing is left out for its amount.
printf '[list]\nuser_budget = "0 MiB"\n' >/etc/keyscribe/keyscribe.toml
check "restarted" systemctl restart keyscribed
check "our policy" policy 10-test \
    'measure func=KEY_CHECK keyrings=watched keyring_uid=* key_type=* op=all provenance=measured'
check "ready" keyscribe wait ready --timeout 60
# Keys of one user may take 20,000 bytes.
sysctl -qw kernel.keys.maxbytes=100000000 kernel.keys.maxkeys=100000
before=$(pid)
install -d -o 3000 -g 3000 "$work/den"
chmod 711 "$work"
ring=$(keyctl newring watched @s)

# Keys of root's one by one, each once the one before it is on the list; what took longest, in ms, is in a file.
administer() {
    local number=0 slowest=0 begun took
    while [[ ! -e $work/enough ]]; do
        number=$((number + 1))
        begun=$(date +%s%3N)
        keyctl add user "of-root-$number-" x "$ring" >/dev/null
        until grep -aqF "of-root-$number-" $list; do sleep 0.05; done
        took=$(($(date +%s%3N) - begun))
        ((took <= slowest)) || slowest=$took
        echo "$number $slowest" >"$work/administered"
    done
}

# many KIND COUNT KEYS: so many keys are added.
many() {
    local made
    # shellcheck disable=SC2016 # the other shell has them
    made=$(setpriv --reuid 3000 --regid 3000 --clear-groups keyctl session - bash -c '
        cd "$1" && shift && exec /share/bin/many "$@" "$(keyctl newring watched @s)"' many "$work/den" "$1" "$2" 2>&1 |
        grep -v '^Joined session')
    equal "$1: $2" "$made" "$3"
    settle
}

administer &
administrator=$!
many namespaces 150 150
many mounts 400 1
many threads 1000 1000
many keyrings 300 600
many descriptions 400 400
many paths 500 1
touch "$work/enough"
wait $administrator
read -r keys slowest <"$work/administered"
echo "$keys keys of root's meanwhile; the slowest was on the list after $slowest ms"
check "each within five seconds" test "$slowest" -le 5000

# recorded FILTER: how many keys of uid 3000's were added.
recorded() { records_of create | jq -s "map(select(.actor.uid == 3000 and ($1))) | length"; }
actor_of() { records_of create | jq -r "select(.description == \"$1\").actor | $2"; }
equal "each namespace is told" "$(records_of create | jq -r 'select(.description | startswith("namespaces-")).actor.namespaces.user' |
    sort -u | wc -l)" 150
equal "each thread" "$(recorded '.description | startswith("threads-")')" 1000
# Of more than 255 bytes the list has the first 222, and a digest.
equal "each long description" "$(grep -aoF "$(printf 'd%.0s' {1..222})" $list | wc -l)" 400
equal "a path that was not walked to its end is not absolute" "$(actor_of mounts-0 '.exe[:4]') $(actor_of paths-0 '.exe[:4]')" \
    ".../ .../"
equal "the daemon is the same" "$(pid)" "$before"
equal "nothing contraindicates" "$(records_of detached; records_of restart; records_of tampered)" ""
resident=$(awk '/^VmRSS/ { print $2 }' "/proc/$before/status")
echo "the daemon's memory: $resident KiB, with the ring"
check "its memory is bounded" test "$resident" -lt 65536
books_are_closed
finish
