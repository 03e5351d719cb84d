#!/usr/bin/env bash
# Builds the stand-in for the pylon SDK into a directory that PYLON_ROOT can name: tests/pylon-sdk/build.sh DIRECTORY
# Does nothing where it is up to date.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${1:?usage: build.sh DIRECTORY}
mkdir -p "$root/lib"
exec 9>"$root/lock"
flock 9 # tests build it beside each other
stamp=$(cat "$here"/src/* "$here"/include/*/*.h "$here/include/pylon/gige/"*.h "$0" | sha256sum)
if [ "$(cat "$root/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
rm -rf "$root/stamp" "$root/include" "$root/lib"
mkdir -p "$root/lib"
cp -r "$here/include" "$root/include"
c++ -std=c++14 -O2 -g -fPIC -shared -pthread -Wall -Wextra -I"$here/include" "$here"/src/*.cpp \
    -Wl,-soname,libpylonbase.so -o "$root/lib/libpylonbase.so"
# The other libraries of the SDK: pylon-cxx links them, and nothing here is in them.
for name in pylonc pylonutility gxapi {GenApi,GCBase,Log,MathParser,XmlParser,NodeMapData}_gcc_v3_1_Basler_pylon; do
    c++ -shared -x c /dev/null -o "$root/lib/lib$name.so"
done
echo "$stamp" >"$root/stamp"
