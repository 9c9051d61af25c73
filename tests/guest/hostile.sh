#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What an ordinary user tries beside root: to have somebody else blamed, or to keep the daemon from its work.

. "$(dirname "$0")/lib.sh"

check "our policy" policy 10-test \
    'measure func=KEY_CHECK keyrings=watched keyring_uid=* key_type=* op=all provenance=measured'
check "ready" keyscribe wait ready --timeout 60
before=$(pid)
den=/tmp/den
install -d -o 3000 -g 3000 "$den"
# As mallory, in a session of theirs with a keyring that the rule names.
as_mallory() {
    setpriv --reuid 3000 --regid 3000 --clear-groups keyctl session - bash -c '
        export w; w=$(keyctl newring watched @s); cd /tmp/den && eval "$1"' mallory "$1" 2>&1 |
        grep -v '^Joined session'
}
# actor DESCRIPTION FILTER: of who added the key of that description.
actor() {
    records_of create | jq -r --arg description "$1" "select(.description == \$description).actor | $2"
}
keyring=$(keyctl newring watched @s)

echo "# a name for what somebody else executes"
as_mallory 'touch innocent
    unshare -Urm bash -c "mount --bind /usr/bin/keyctl innocent; ./innocent add user bound x $w"'
check "root uses the program" keyctl add user roots x "$keyring"
as_mallory 'cp /usr/bin/keyctl one; ./one add user as-one x $w
    mv one two; ./two add user as-two x $w'
deep=$den/1/2/3/4/5/6/7/8/9/10/11/12/usr/bin
as_mallory "mkdir -p $deep/sub; cp two $deep/sub/keyctl; $deep/sub/keyctl add user deep x \$w"
settle
equal "the bound one is mallory's" "$(actor bound '"\(.exe) \(.uid)"')" "$den/innocent 3000"
equal "root's is where it is" "$(actor roots '"\(.exe) \(.uid)"')" "$(readlink -f /usr/bin/keyctl) 0"
equal "in the host's mount namespace" "$(actor roots .exe_mnt_ns)" "$(stat -L -c %i /proc/self/ns/mnt)"
check "and the bound one in another" test "$(actor bound .exe_mnt_ns)" != "$(actor roots .exe_mnt_ns)"
equal "a program has the name of its day" "$(actor as-one .exe) $(actor as-two .exe)" "$den/one $den/two"
equal "a path without its head is not absolute" "$(actor deep .exe)" \
    ".../$(echo "$deep/sub/keyctl" | tr / '\n' | tail -n 16 | tr '\n' / | sed 's,/$,,')"

echo "# another file in the place of the executable"
cp /share/bin/exe_swap "$den/"
chmod 755 "$den/exe_swap"
check "it is put there" as_mallory './exe_swap /usr/bin/dpkg swapped && ./exe_swap /usr/bin/dpkg inherited fork && echo done'
settle
equal "what was executed is told" "$(actor swapped '"\(.exe) \(.exe_now) \(.exe_ino)"')" \
    ".../exe_swap /usr/bin/dpkg $(stat -c %i "$den/exe_swap")"
equal "also of a child" "$(actor inherited '"\(.exe) \(.exe_now)"')" ".../exe_swap /usr/bin/dpkg"

echo "# cgroups"
cgroup=/sys/fs/cgroup/hostile
mkdir "$cgroup"
# in_cgroup NAME DESCRIPTION: adds a key from a cgroup that is gone before the daemon looks, which stands still
# for so long.
in_cgroup() {
    mkdir -p "$cgroup/$1"
    kill -STOP "$before"
    (echo "$BASHPID" >"$cgroup/$1/cgroup.procs" && exec keyctl add user "$2" x "$keyring" >/dev/null)
    rmdir "$cgroup/$1"
    kill -CONT "$before"
}
for i in {1..100}; do mkdir "$cgroup/empty-$i"; done
in_cgroup short from-short
in_cgroup 1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17 from-below
settle
equal "each is named, though it is gone" "$(actor from-short .cgroup)" /hostile/short
equal "one far below, without its head" "$(actor from-below .cgroup)" ".../$(seq -s / 2 17)"

equal "the daemon is the same" "$(pid)" "$before"
equal "nothing contraindicates" "$(records_of detached; records_of restart; records_of tampered)" ""

echo "# a flood"
printf '[list]\nuser_budget = "64 KiB"\n' >/etc/keyscribe/keyscribe.toml
check "restarted with a smaller budget" systemctl restart keyscribed
check "ready" keyscribe wait ready --timeout 60
size=$(stat -c %s $list)
# shellcheck disable=SC2016 # mallory's shell has them
as_mallory 'for i in {1..300}; do keyctl add user flood "$i" "$w" >/dev/null; done'
check "root's key beside it" keyctl add user beside x "$keyring"
# told_of DESCRIPTION: how many records of such keys.
told_of() { keyscribe list --format json | grep -c "\"description\":\"$1\""; }
dropped() { records_of drop | jq -s 'map(select(.reason == "budget" and .uid == 3000).count) | add // 0'; }
check "what went beyond is told with its count" wait_for 90 sh -c \
    'keyscribe list --format json --name keyscribe:drop | grep -q \"budget\"'
check "all is told" keyscribe wait idle --timeout 100
equal "each is recorded or counted" "$(($(told_of flood) + $(dropped) >= 300))" 1
check "few are recorded" test "$(told_of flood)" -lt 200
check "root has a budget of their own" test "$(told_of beside)" -ge 1
check "the list grew by little" test $(($(stat -c %s $list) - size)) -lt 400000
books_are_closed
finish
