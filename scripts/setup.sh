#!/usr/bin/env bash
# Install the distribution's packages that the project needs, and nothing else.
#
#   scripts/setup.sh [PART]...    parts of scripts/packages.txt: run, test (both if none is named)
#
# It starts no service, enables none and makes no network. Root installs at once; an ordinary user
# is asked, then sudo does it; without a terminal nobody is asked. Exit code 69: not installed.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
list=$here/packages.txt
os_release=${SETUP_OS_RELEASE:-/etc/os-release}

policy=/usr/sbin/policy-rc.d          # what Debian asks before it starts a service
aside=$policy.before-domsock          # the machine's own policy, while ours stands
mark='# for the time of one scripts/setup.sh'

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$@"; exit 69; }

# The system as ID-VERSION_ID; ends with one sentence where the project cannot run.
system_name() {
    local name
    # shellcheck source=/dev/null
    name=$(. "$os_release" 2>/dev/null && printf '%s-%s' "${ID:-unknown}" "${VERSION_ID:-unknown}") ||
        name=unknown
    if [[ $(uname -m) != x86_64 ]] || ! supported "$name"; then
        fail "this is $name on $(uname -m); the project runs on x86-64 with Debian 12 or 13," \
            "or Ubuntu 22.04 or newer."
    fi
    printf '%s' "$name"
}

supported() {
    case $1 in
        debian-12 | debian-13) ;;
        ubuntu-*.*) dpkg --compare-versions "${1#ubuntu-}" ge 22.04 ;;
        *) return 1 ;;
    esac
}

# Package names of the given parts, as this system calls them.
wanted() {
    awk -v parts=" $* " -v system_name="$system" '
        /^(#|$)/ || !index(parts, " " $1 " ") { next }
        {
            count = split($2, places, ",")
            for (i = 1; i <= count; i++)
                if (places[i] == "*" || index(system_name, places[i]) == 1) { print $3; break }
        }' "$list"
}

# Which of the named packages are not installed.
missing() {
    dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^installed //p' |
        grep --invert-match --line-regexp --fixed-strings --file - <(printf '%s\n' "$@") || true
}

apt() { apt-get --quiet -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"; }

install_line() { printf 'apt-get install --no-install-recommends %s' "$*"; }

# Keep every service as it is while packages are unpacked. A policy that a killed run left behind
# is mended here, too.
hush_services() {
    release_services
    if [[ -e $policy ]]; then mv -T "$policy" "$aside"; fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
    chmod 755 "$policy"
}

release_services() {
    if grep --quiet --no-messages --fixed-strings "$mark" "$policy"; then rm "$policy"; fi
    if [[ -e $aside ]]; then mv -T "$aside" "$policy"; fi
}

# Everything that starts by itself: units (links below /etc/systemd) and start scripts.
enabled() {
    find /etc/systemd/system /etc/systemd/user -type l 2>/dev/null || true
    find /etc/rc[0-6S].d -name 'S*' 2>/dev/null || true
}

part_of_systemd() { dpkg --search "$(readlink -f "$1")" 2>/dev/null | grep --quiet '^systemd'; }

# Disable what was not enabled before. Where the init system itself is new, its own parts stay.
disable_new() {
    local link
    while read -r link; do
        case $link in
            /etc/rc*) update-rc.d "$(basename "$link" | sed 's/^S[0-9]*//')" disable || true ;;
            *) part_of_systemd "$link" || rm -f "$link" ;;
        esac
    done < <(comm -13 "$1" <(enabled | sort))
    if [[ -d /run/systemd/system ]]; then systemctl daemon-reload; fi
}

restore() {
    release_services
    disable_new "$scratch"
    rm -f "$scratch"
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
    exec 9<"$list" && flock 9 # one set-up at a time
    scratch=$(mktemp) && enabled | sort >"$scratch"
    trap restore EXIT
    trap 'exit 130' INT TERM HUP
    hush_services
    local options=(--yes --no-install-recommends --no-remove -o Dpkg::Options::=--force-confold)
    # Lists may be absent or old: they are fetched when a package is unknown or no longer served.
    apt install --simulate "${options[@]}" "$@" >/dev/null 2>&1 || apt update || true
    apt install "${options[@]}" "$@" || { apt update && apt install "${options[@]}" "$@"; } ||
        fail "the packages could not be installed; apt-get says above why." \
            "Next: mend that, then run the same command again."
    say "done; no service was started or enabled."
}

ask() {
    local answer=
    read -r -p 'setup: install them now with sudo? [y/N] ' answer || true
    [[ $answer == [yY]* ]]
}

# An ordinary user: ask where there is somebody to ask, and hand over to sudo.
install_with_sudo() {
    local next="Next: as root, run $here/setup.sh $* (it enables no service), or the line above."
    [[ -t 0 && -z ${CI:-} ]] || fail "nothing installed: not root, and no terminal to ask on. $next"
    command -v sudo >/dev/null || fail "nothing installed: sudo is missing. $next"
    ask || fail "nothing installed. $next"
    exec sudo -- "$here/setup.sh" "$@"
}

check_parts() {
    local part
    for part; do
        [[ $part == run || $part == test ]] || {
            say "\`$part\` is no part of scripts/packages.txt: name run, test or both."
            exit 2
        }
    done
}

main() {
    local parts=("$@") names packages
    [[ $# -gt 0 ]] || parts=(run test)
    check_parts "${parts[@]}"
    system=$(system_name)
    mapfile -t names < <(wanted "${parts[@]}")
    mapfile -t packages < <(missing "${names[@]}")
    [[ ${#packages[@]} -gt 0 ]] || return 0
    say "${#packages[@]} of ${#names[@]} packages are missing:"
    printf '  %s\n' "$(install_line "${packages[@]}")" >&2
    if [[ $EUID -eq 0 ]]; then install_packages "${packages[@]}"; else install_with_sudo "${parts[@]}"; fi
}

main "$@"
