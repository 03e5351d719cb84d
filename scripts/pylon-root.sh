#!/usr/bin/env bash
# Makes a PYLON_ROOT for the source pylon from an installed pylon SDK: scripts/pylon-root.sh [SDK [DIRECTORY]], by default
# /opt/pylon and target/pylon-root. pylon-cxx links the library names of pylon 6.1; newer SDKs have others. The directory
# has links only: the SDK stays as it is, and must stay where it is.
set -euo pipefail
sdk=${1:-/opt/pylon}
root=${2:-$(cd "$(dirname "$0")/.." && pwd)/target/pylon-root}

fail() { echo "$*" >&2 && exit 1; }
[ -f "$sdk/include/pylon/PylonIncludes.h" ] ||
    fail "no pylon SDK in $sdk: there is no include/pylon/PylonIncludes.h. Install it from https://www.baslerweb.com/downloads, or name its directory: scripts/pylon-root.sh SDK"
libraries=$sdk/lib
[ -d "$libraries" ] || libraries=$sdk/lib64
[ -d "$libraries" ] || fail "$sdk has neither lib nor lib64"
sdk=$(cd "$sdk" && pwd)
libraries=$(cd "$libraries" && pwd)

rm -rf "$root"
mkdir -p "$root/lib"
ln -s "$sdk/include" "$root/include"
# Everything under its own name too: what the linker finds by an old name is loaded by the name that is in the library.
for path in "$libraries"/*; do
    ln -s "$path" "$root/lib/"
done

# The library that has a name now: as it is, with a version behind .so, or with one in the middle.
find_library() {
    find "$libraries" -maxdepth 1 \( -name "lib$1.so" -o -name "lib$1.so.*" -o -name "lib$1-[0-9]*.so" \) | sort -V | tail -1
}
missing=()
provide() { # NAME, and names or patterns of what may stand in for it
    local name=$1 found=
    shift
    for pattern in "$name" "$@"; do
        found=$(find_library "$pattern")
        [ -z "$found" ] || break
    done
    if [ -z "$found" ]; then
        missing+=("$name")
    elif [ "$(basename "$found")" != "lib$name.so" ]; then
        ln -sf "$found" "$root/lib/lib$name.so"
        echo "lib$name.so -> $(basename "$found")"
    fi
}
for part in GenApi GCBase Log MathParser XmlParser NodeMapData; do
    provide "${part}_gcc_v3_1_Basler_pylon" "${part}_gcc_v[0-9]*_Basler_pylon*"
done
provide pylonbase
provide pylonutility
provide gxapi
# The C interface, which newer SDKs have not and the Rust code does not call: any library satisfies the linker.
provide pylonc pylonbase
[ ${#missing[@]} -eq 0 ] || fail "$libraries has nothing for: ${missing[*]}. Is it a complete SDK, 6.1 or newer?"

echo "build with"
echo "    export PYLON_ROOT=$root"
echo "    cargo install --locked --path broker --features pylon"
