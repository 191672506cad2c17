# Sourced by the other scripts: makes sure that the Swift toolchain and the system libraries are there, builds, and names the built commands.
# Needs nothing but Debian 12 (or a kin) and Swift 6.2 or later.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binaries="$project/.build/release"
libraries=(libopenblas-dev libzmq3-dev libhdf5-dev libturbojpeg0-dev libpng-dev libssl-dev pkg-config)

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$1" >&2; exit "${2:-1}"; }

# require_toolchain: stops with one sentence if there is no Swift that can build this.
require_toolchain() {
    command -v swift >/dev/null 2>&1 ||
        fail "no Swift toolchain found: install Swift 6.3 (swift.org/install/linux) and put its usr/bin on PATH" 69
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    case $version in
        6.[2-9] | 6.[1-9][0-9] | [7-9].* | [1-9][0-9].*) ;;
        *) fail "Swift ${version:-of unknown version} is too old: install Swift 6.3 (swift.org/install/linux)" 69 ;;
    esac
}

# require_packages NAME...: installs the Debian packages that are missing.
require_packages() {
    command -v dpkg-query >/dev/null 2>&1 ||
        fail "this is not Debian or Ubuntu: install the libraries OpenBLAS, ZeroMQ, HDF5, TurboJPEG, libpng and OpenSSL with their headers, then run 'swift build -c release'" 69
    local missing=() name
    for name in "$@"; do
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || fail "as root, run: apt-get install ${missing[*]}" 77
        root=(sudo)
    fi
    say "installing ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { "${root[@]}" apt-get update -q && "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        fail "apt-get could not install ${missing[*]}" 69
    fi
    rm -f "$log"
}

# build ARGUMENT...: swift build -c release, quiet unless it fails.
build() {
    say "building (the first time takes two to three minutes)"
    local log attempt
    log=$(mktemp)
    # Fetching the three Swift packages may fail for a moment, as anything that is fetched; what was fetched stays.
    for attempt in 1 2 3 4; do
        if (cd "$project" && swift package resolve) >"$log" 2>&1; then break; fi
        [ "$attempt" -lt 4 ] || { grep -E 'error|fatal' "$log" >&2; rm -f "$log"; fail "the Swift packages could not be fetched" 69; }
        sleep 1
    done
    if [ -t 1 ]; then
        (cd "$project" && swift build -c release "$@" 2>&1 | tee "$log" | while IFS= read -r line; do printf '\r\033[K%.*s' "$(($(tput cols 2>/dev/null || echo 80) - 1))" "$line"; done; printf '\r\033[K'; exit "${PIPESTATUS[0]}") ||
            { grep -E 'error|warning' "$log" >&2; rm -f "$log"; fail "the build failed"; }
    else
        (cd "$project" && swift build -c release "$@") >"$log" 2>&1 || { grep -E 'error|warning' "$log" >&2 || tail -n 20 "$log" >&2; rm -f "$log"; fail "the build failed"; }
    fi
    rm -f "$log"
}
