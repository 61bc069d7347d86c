#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Run every fuzz target in BUILD for FUZZ_SECONDS, as many at a time as there are cores.
# With FUZZ_LONG, the targets that it does not name get a twelfth of it.
# Inputs come from tests/fuzz/corpus/NAME; what is found goes to BUILD/corpus/NAME and, with
# FUZZ_KEEP=1, what adds coverage is merged back into tests/fuzz/corpus/NAME.
# A crash, a leak, a hang or a corpus that is missing is a failure. Ends with N passed, N failed.
set -u
build=${1:?usage: fuzz.sh BUILD}
seconds=${FUZZ_SECONDS:-60}
keep=${FUZZ_KEEP:-}
top=$(dirname "$(readlink -f "$0")")/../..
cd "$top" || exit 1

run_target() {
	local name=$1 kept=tests/fuzz/corpus/$1 found=$build/corpus/$1 dict=()
	local log=$build/fuzz_$1.log program=$build/fuzz_$1 seconds=$seconds
	[[ " ${FUZZ_LONG:-$1} " == *" $1 "* ]] || seconds=$((seconds / 12))
	if [ ! -x "$program" ]; then
		echo "fuzz $name: $program was not built"
		return 1
	fi
	if [ -z "$(ls -A "$kept" 2>/dev/null)" ]; then
		echo "fuzz $name: no inputs in $kept"
		return 1
	fi
	mkdir -p "$found"
	rm -f "$build/crash_$name"-*
	[ ! -f "tests/fuzz/$name.dict" ] || dict=(-dict="tests/fuzz/$name.dict")
	if ! "$program" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 \
		-artifact_prefix="$build/crash_$name-" -print_final_stats=1 "${dict[@]}" \
		"$found" "$kept" </dev/null >"$log" 2>&1; then
		echo "fuzz $name: FAILED, the end of $log:"
		tail -n 40 "$log"
		return 1
	fi
	if [ -n "$keep" ]; then
		"$program" -merge=1 "$kept" "$found" </dev/null >>"$log" 2>&1
	fi
	echo "fuzz $name: $(awk '/number_of_executed_units/ { print $2 }' "$log") inputs in ${seconds}s"
}

export -f run_target
export build seconds keep
targets=()
for source in tests/fuzz/*.c; do
	[ -e "$source" ] && targets+=("$(basename "$source" .c)")
done
if [ ${#targets[@]} = 0 ]; then
	echo "fuzz: no targets in tests/fuzz"
	echo "0 passed, 1 failed"
	exit 1
fi
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
export results
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} \
	bash -c 'run_target {} && touch "$results/{}"; exit 0'
passed=$(find "$results" -type f | wc -l)
failed=$((${#targets[@]} - passed))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
