# Sourced by the scripts here.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Things that take minutes to make and belong to no checkout.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/shunt
export PATH="$cache/bin:$PATH"
mkdir -p "$cache/bin"

# Runs a command as root: directly, or through sudo where there is one.
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo --non-interactive "$@"; fi
}

fail() {
	echo "${0##*/}: $*" >&2
	exit 1
}

step() {
	printf '\n== %s (%d s)\n' "$*" "$SECONDS"
}
