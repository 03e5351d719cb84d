#!/usr/bin/env bash
# Compiles the shim with the stand-in's headers under the names of a real pylon runtime, and checks that the runtime has
# every symbol it then needs: that the stand-in's signatures are the real ones. No gate, since that runtime is not ours to
# give: tests/pylon-sdk/check-symbols.sh /opt/pylon/lib (or the folder of an installed pypylon).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
libraries=${1:?usage: check-symbols.sh DIRECTORY-OF-LIBRARIES}
work=$(mktemp --directory)
trap 'rm -rf "$work"' EXIT
genapi=$(basename "$(find "$libraries" -maxdepth 1 -name 'libGenApi_gcc_v*_Basler_pylon*.so' | head -1)" .so)
suffix=${genapi#libGenApi_gcc_v}
[ -n "$suffix" ] || { echo "no libGenApi_gcc_v….so in $libraries" >&2 && exit 2; }
for file in camera chunks factory features; do
    c++ -std=c++14 -fPIC -DGENICAM_SUFFIX="$suffix" -I"$here/include" \
        -c "$here/../../broker/src/source/pylon/shim/$file.cpp" -o "$work/$file.o"
done
nm --undefined-only "$work"/*.o | awk '/Pylon|GenApi|GenICam/ {print $2}' | sort -u >"$work/needed"
nm --defined-only "$work"/*.o | awk 'NF == 3 {print $3}' | sort -u >"$work/ours"
find "$libraries" -maxdepth 1 -name '*.so*' -exec nm --dynamic --defined-only {} + | awk 'NF == 3 {print $3}' | sort -u >"$work/there"
comm -23 "$work/needed" <(sort -u "$work/ours" "$work/there") >"$work/missing"
if [ -s "$work/missing" ]; then
    echo "the runtime in $libraries has not:" && c++filt <"$work/missing" && exit 1
fi
echo "all $(wc -l <"$work/needed") symbols are there (GenICam $suffix)"
