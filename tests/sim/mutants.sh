#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Has the simulation teeth? Rules of dp/tcp are switched off one at a time, and it has to fail.
#
#   mutants.sh BUILD [NAME...]
#
# A mutant is tests/sim/mutants/NAME.sed: a sed script whose first lines say what is lost and which
# file it changes ("# what: ...", "# file: dp/tcp/..."). So the code itself knows nothing of them. A
# script that changes nothing any more has to be brought up to date: that is a failure too (and one
# of `make lint`, which looks at nothing else of them).
# MUTANT_SEEDS (4000) bounds how long a mutant may go unnoticed. Ends with N passed, N failed.
set -u
top=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
build=${1:?usage: mutants.sh BUILD [NAME...]}
shift
cd "$top" || exit 1
seeds=${MUTANT_SEEDS:-4000}
read -r -a flags <<<"$(make -s print-cflags B="$build")"
read -r -a libs <<<"$(pkg-config --libs libdpdk)"
objects=("$build"/obj/tests/sim/*.o)
passed=0
failed=0

# try NAME: prints one line; succeeds if the simulation fails.
try() {
	local name=$1 script=tests/sim/mutants/$1.sed dir=$build/mutants/$1 file what log
	file=$(sed -n 's/^# file: //p' "$script")
	what=$(sed -n 's/^# what: //p' "$script")
	log=$dir/log
	mkdir -p "$dir"
	sed -f "$script" "$file" >"$dir/mutant.c"
	if cmp -s "$file" "$dir/mutant.c"; then
		echo "FAIL $name: its script changes nothing in $file"
		return 1
	fi
	if ! "${CC:-gcc}" "${flags[@]}" -w -c -o "$dir/mutant.o" "$dir/mutant.c" 2>"$log" ||
		! "${CC:-gcc}" -o "$dir/sim" "${objects[@]}" "$dir/mutant.o" "$build/dp.a" "$build/lib.a" "${libs[@]}" -lm 2>>"$log"; then
		echo "FAIL $name: it does not build, see $log"
		return 1
	fi
	if timeout 200 "$dir/sim" --regressions tests/sim/regressions --seeds "$seeds" --until-failed >"$log" 2>&1; then
		echo "FAIL $name ($what): $seeds seeds without a failure"
		return 1
	fi
	if ! grep -q '^FAIL seed' "$log"; then
		echo "FAIL $name: no seed failed, but: $(tail -n 1 "$log")"
		return 1
	fi
	echo "ok   $name ($what): $(grep -m 1 '^FAIL seed' "$log" | cut -c6-150)"
}

names=("$@")
if [ ${#names[@]} = 0 ]; then
	for script in tests/sim/mutants/*.sed; do
		names+=("$(basename "$script" .sed)")
	done
fi
for name in "${names[@]}"; do
	if try "$name"; then
		passed=$((passed + 1))
		rm -rf "${build:?}/mutants/$name"
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
