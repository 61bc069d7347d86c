#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What `make check` runs, in a quarter of an hour; .ci/run adds what takes longer.
#
#   check.sh              the build, and of every suite what SHARE leaves; with WITH="STEP..." these, too, at the end
#   check.sh STEP...      only these: build lint unit stage tcp sim sim-mutants limits bench-short control conf
#                         admin packets tcp-linux e2e e2e-timed e2e-restart e2e-others fuzz
#                         san (all of its), san-build, san-unit and so on
#
# Each suite writes its log to build/logs/NAME.log and ends it with `N passed, N failed`; the last
# line of this program is the sum. A suite that is missing, crashes, hangs or prints no such line
# counts as one failure.
set -u
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
unset MAKEFLAGS MFLAGS MAKELEVEL

logs=build/logs
jobs=$(nproc)
suites=(unit stage tcp limits control conf admin packets) # and tcp-linux, e2e
# In the usual build: what starts programs, and what they are made of only under sanitizers.
plain=(limits conf admin packets)
# Under sanitizers: what only computes, and what also waits for the clock.
san_aside=(san-unit san-stage san-tcp san-sim san-limits san-conf san-packets)
san_beside=(san-control san-admin)
passed=0
failed=0
start=0     # of the step, in seconds of this program
processor=0 # seconds of it that the children before the step had used
table=()
mkdir -p "$logs"

# begin_timing: what the next report calls its seconds, by the clock and of the processor.
begin_timing() {
	start=$SECONDS
	read_processor
	processor=$processor_now
}

# All that the ended children of this shell have used; a subshell would only know of its own.
read_processor() {
	local user system file=$logs/.times.$$
	times >"$file"
	{ read -r; read -r user system; } <"$file"
	rm -f "$file"
	user=${user%.*} system=${system%.*}
	processor_now=$((${user%m*} * 60 + ${user#*m} + ${system%m*} * 60 + ${system#*m}))
}

# suite NAME SECONDS COMMAND...: run it with a log and add what its last line says.
suite() {
	local name=$1 limit=$2 log=$logs/$1.log status sum p=0 f=0 note=""
	shift 2
	printf '%-16s ' "$name"
	begin_timing
	timeout --kill-after=20 "$limit" "$@" </dev/null >"$log" 2>&1
	status=$?
	sum=$(grep -aE '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
	if [ -z "$sum" ]; then
		f=1 note="printed no sum, exit $status"
	else
		read -r p _ f _ <<<"$sum"
		if [ "$f" = 0 ] && [ "$status" != 0 ]; then
			f=1 note="exit $status after its sum"
		elif [ "$p" = 0 ] && [ "$f" = 0 ]; then
			f=1 note="ran nothing"
		fi
	fi
	[ "$status" != 124 ] || note="stopped after ${limit}s"
	report "$name" "$p" "$f" "$note"
}

# step NAME SECONDS COMMAND...: a command that only succeeds or fails counts as one.
step() {
	local name=$1 limit=$2 log=$logs/$1.log
	shift 2
	printf '%-16s ' "$name"
	begin_timing
	if timeout --kill-after=20 "$limit" "$@" </dev/null >"$log" 2>&1; then
		report "$name" 1 0 ""
	else
		report "$name" 0 1 ""
	fi
}

report() {
	local name=$1 p=$2 f=$3 note=$4
	passed=$((passed + p))
	failed=$((failed + f))
	read_processor
	printf '%5d ok %4d failed %5ds %5ds cpu  %s\n' "$p" "$f" $((SECONDS - start)) \
		$((processor_now - processor)) "$note"
	table+=("$name")
	[ "$f" = 0 ] || { show "$logs/$name.log"; return 1; }
}

# The lines of a failing log that tell why, indented so that no sum in it looks like ours.
show() {
	local lines
	lines=$(wc -l <"$1")
	if [ "$lines" -gt 120 ]; then
		grep -aniE 'fail|error|warning:|Traceback|sanitizer|assert' "$1" | head -n 60 | sed 's/^/    | /'
		echo "    | ..."
		tail -n 50 "$1" | sed 's/^/    | /'
	else
		sed 's/^/    | /' "$1"
	fi
	echo "    (whole log: $1)"
}

exists() {
	case $1 in
	unit | stage | control) compgen -G "tests/$1/*.c" >/dev/null ;;
	limits) [ -d bench/limits ] ;;
	bench-short) [ -f bench/short.py ] ;;
	sim | sim-mutants) [ -d tests/sim ] ;;
	tcp) [ -d tests/tcp/script ] ;;
	tcp-linux) [ -f tests/tcp/run.py ] ;;
	*) [ -f "tests/$1/run.py" ] ;;
	esac
}

# run_suite PREFIX NAME MAKE-ARGUMENTS...
run_suite() {
	local prefix=$1 name=$2 limit=900
	shift 2
	if ! exists "$name"; then
		printf '%-16s ' "$prefix$name"
		echo "there is no tests/$name" >"$logs/$prefix$name.log"
		begin_timing
		report "$prefix$name" 0 1 "missing"
		return
	fi
	# All end-to-end tests take half an hour under sanitizers, and some minutes what is long among them.
	[ "$name" = e2e ] && limit=3600
	suite "$prefix$name" "$limit" make -s "$@" "$name"
}

do_build() {
	step build 600 make -s -j"$jobs" all build/sim build/tcp-peer build/bench-stages build/bench-generator build/bench-proxy build/bench-limits
}
# And what only people start is compiled, by both compilers.
do_lint() {
	step benches 600 make -s -j"$jobs" benches
	step warnings 600 make -s -j"$jobs" SAN=1 warnings
	suite lint-self-test 600 tools/dev/lint.py --self-test
	LINT_SHALLOW=1 suite lint 1800 tools/dev/lint.py
}
# One build by clang, whose warnings are errors, for the suites under sanitizers and for the fuzz targets.
do_san_build() { step san-build 900 make -s -j"$jobs" SAN=1 all fuzzers build/san/{{unit,stage,control,tcp}-tests,sim,bench-limits}; }
# do_san_suites NAME...
do_san_suites() {
	local name
	export E2E_CONFIGURATIONS=12
	for name in "$@"; do
		run_suite san- "$name" SAN=1
	done
	unset E2E_CONFIGURATIONS
}
do_san() { do_san_build && do_san_suites "${suites[@]}" tcp-linux e2e; }
do_fuzz() {
	make -s -j"$jobs" SAN=1 fuzzers >/dev/null 2>&1
	FUZZ_SECONDS=${FUZZ_SECONDS:-60} FUZZ_LONG="parse config" suite fuzz 1800 tools/dev/fuzz.sh build/san
}

do_step() {
	case $1 in
	build | lint | san | fuzz) "do_$1" ;;
	san-build) do_san_build ;;
	e2e-timed | e2e-restart | e2e-others) E2E_PART=${1#e2e-} suite "$1" 900 make -s e2e ;;
	san-*) do_san_suites "${1#san-}" ;;
	unit | stage | tcp | sim | sim-mutants | limits | bench-short | control | conf | admin | packets | tcp-linux | e2e) run_suite "" "$1" ;;
	*)
		echo "check: there is no step '$1'" >&2
		exit 2
		;;
	esac
}

run_steps() {
	local name
	for name in "$@"; do
		do_step "$name"
	done
}

# Some steps run beside the others, as a lane: what only computes, at the lowest priority, while the
# suites mostly wait for packets; and what waits mostly, too.
declare -A lane_pid=() # and the number of its session

# begin_lane NAME NICENESS STEP...
begin_lane() {
	local name=$1 niceness=$2
	shift 2
	setsid nice -n "$niceness" "$0" "$@" >"$logs/$name.out" 2>&1 &
	lane_pid[$name]=$!
	trap end_processes EXIT
	trap 'exit 130' INT TERM
}

end_processes() {
	local pid
	for pid in "${lane_pid[@]}"; do
		ps -o pid= --sid "$pid" | xargs -r kill -TERM 2>/dev/null
	done
}

# await_step LANE STEP: until it is done.
await_step() {
	while kill -0 "${lane_pid[$1]}" 2>/dev/null && ! grep -aq "^$2 .*s  " "$logs/$1.out"; do
		sleep 1
	done
}

# end_lane NAME: its last two lines are the list of its steps and its sum.
end_lane() {
	local p f out=$logs/$1.out
	wait "${lane_pid[$1]}"
	unset "lane_pid[$1]"
	head -n -2 "$out"
	if ! read -r p _ f _ < <(tail -n 1 "$out" | grep -E '^[0-9]+ passed, [0-9]+ failed$'); then
		echo "check: the steps of $1 ended without a sum"
		p=0 f=1
	fi
	passed=$((passed + p))
	failed=$((failed + f))
	table+=("$(tail -n 2 "$out" | sed -n 's/^suites run: \(.*\) (.*/\1/p')")
}

if [ $# -gt 0 ]; then
	run_steps "$@"
else
	do_build
	# Without programs nothing below can say anything new.
	if [ "$failed" = 0 ]; then
		# Of cases that start a program some run, here or under sanitizers (tests/lab/share.py); the steps
		# of these names, and `make san`, have all.
		SHARE=sanitizers begin_lane aside 19 san-build fuzz "${san_aside[@]}" sim
		export SHARE=plain
		begin_lane waiting 0 tcp-linux e2e-restart
		run_steps "${plain[@]}"
		end_lane waiting
		await_step aside san-build
		SHARE=sanitizers begin_lane beside 0 "${san_beside[@]}"
		run_steps e2e-others
		end_lane beside
		SHARE=sanitizers run_steps san-e2e
		run_steps e2e-timed bench-short
		end_lane aside
		echo "suites run: ${table[*]} (${SECONDS}s)"
		table=()
		unset SHARE
		read -ra more <<<"${WITH:-}"
		run_steps "${more[@]}"
	fi
fi
[ ${#table[@]} = 0 ] || echo "suites run: ${table[*]} (${SECONDS}s)"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
