# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# What the scripts of vm/ share. Source it first: it also sets the shell's options.

set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$repo/build/vm
readonly repo cache

say() { printf '%s\n' "$*" >&2; }

die() {
    say "${0##*/}: $*"
    exit 2
}

# Runs a command with its output in a log, which is shown only when the command fails.
quietly() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    # In the background, because a function called from a condition goes on after an error.
    "$@" >"$log" 2>&1 &
    if ! wait $!; then
        tail -n 30 "$log" >&2
        die "failed: $1 (all of its output: $log)"
    fi
}

# The build that guests run: KEYSCRIBE_PRESET=dev for who changes a file and builds again.
preset=${KEYSCRIBE_PRESET:-release}

# configure PRESET [FOLDER]: build/PRESET, or that folder, with the flags of CMakePresets.json.
configure() {
    local folder=${2:-$repo/build/$1}
    quietly "$cache/${folder##*/}.configure.log" cmake -S "$repo" --preset "$1" -B "$folder"
}

# image_of SUITE ARCHITECTURE: the file of the guest's root file system; Debian 12's for amd64 has neither name.
image_of() {
    local suffix=-$1-$2.
    suffix=${suffix/-bookworm/}
    echo "$cache/root${suffix/-amd64./.}ext4"
}

# packages_of SUITE ARCHITECTURE: the folder with what vm/package made.
packages_of() {
    local folder=$repo/build/package/$1-$2
    echo "${folder%-amd64}"
}

# One digest over the content of files: what a cached thing was made from.
digest_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

# Where this machine's apt gets Debian (label Debian) and its security updates (Debian-Security).
archive_uri() {
    # shellcheck disable=SC2016 # apt expands these
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Origin: Debian' 'Created-By: Packages' |
        awk -v label="$1" '$1 == label { print $2; exit }'
}

# apt sources for suites, from this machine's own mirror: debian_sources SUITE...
debian_sources() {
    local suite label uri
    # Images of a machine often come without apt's lists.
    [[ -n $(archive_uri Debian) ]] || apt-get update -qq >&2
    for suite; do
        label=Debian
        [[ $suite != *-security ]] || label=Debian-Security
        uri=$(archive_uri "$label")
        [[ -n $uri ]] || die "apt knows no archive with the label $label: see apt-cache policy"
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main"
    done
}

# apt with sources of its own, below $work, so that the host's package lists stay as they are:
# private_lists SUITE..., and then private_apt apt-get|apt-cache ARGUMENT... Of the architecture in
# private_architecture, where it is set.
private_lists() {
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    : >"$work/apt/status"
    debian_sources "$@" >"$work/apt/sources.list"
    private_apt apt-get update
}
private_apt() {
    local command=$1
    shift
    "$command" ${private_architecture:+-o "APT::Architecture=$private_architecture" -o "APT::Architectures=$private_architecture"} \
        -o Dir::State="$work/apt" -o Dir::State::status="$work/apt/status" \
        -o Dir::Cache="$work/apt/cache" -o Dir::Etc::sourcelist="$work/apt/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o APT::Sandbox::User=root -q "$@"
}
