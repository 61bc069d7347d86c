#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Make this machine able to build, test and show Penstock: install the Debian packages that are
# missing, build mbedTLS where the system has none that suits, and ask the kernel for hugepages. Changes
# nothing that is already there. Missing packages are an error; missing hugepages are not (the labs then use
# ordinary memory).
set -u
here=$(dirname "$(readlink -f "$0")")

missing_packages() {
	local package
	sed 's/#.*//' "$here/packages.txt" | tr -s ' \t' '\n' | grep . | while read -r package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			echo "$package"
	done
}

install_packages() {
	local missing
	mapfile -t missing < <(missing_packages)
	[ ${#missing[@]} -gt 0 ] || return 0

	if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
		echo "deps: this is not a Debian system; install what packages.txt names by hand" >&2
		return 1
	fi
	if [ "$(id -u)" != 0 ]; then
		echo "deps: these packages are missing: ${missing[*]}" >&2
		echo "deps: run 'sudo make deps' to install them" >&2
		return 1
	fi
	echo "deps: installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	# Lists that are a few hours old usually do; refresh them only if they do not.
	apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null >/dev/null 2>&1 ||
		{ apt-get update -q </dev/null &&
			apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null; } ||
		{ echo "deps: apt-get could not install them; its messages are above" >&2; return 1; }

	# Their packages start services; the labs start their own in their namespaces.
	local package service
	for package in nginx-light haproxy redis-server; do
		service=${package%-light}
		if [[ " ${missing[*]} " == *" $package "* ]] && [ -d /run/systemd/system ]; then
			echo "deps: stopping the $service service that came with the package (it is not needed)"
			systemctl disable --now -q "$service" || true
		fi
	done
}

# 1,024 pages of 2 MB, but never more than half of the memory.
ask_for_hugepages() {
	local knob=/proc/sys/vm/nr_hugepages want=1024 have size_kb memory_kb
	have=$(cat "$knob" 2>/dev/null || echo 0)
	size_kb=$(awk '/^Hugepagesize:/ { print $2 }' /proc/meminfo)
	memory_kb=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
	if [ -n "$size_kb" ] && [ $((memory_kb / 2 / size_kb)) -lt $want ]; then
		want=$((memory_kb / 2 / size_kb))
	fi
	[ "$have" -lt "$want" ] || return 0

	if [ -w "$knob" ] && [ "$(id -u)" = 0 ]; then
		sysctl -q -w vm.nr_hugepages="$want" 2>/dev/null
		have=$(cat "$knob")
		echo "deps: vm.nr_hugepages is now $have (asked for $want; lost at the next boot)"
	fi
	if [ "$have" -lt "$want" ]; then
		echo "deps: $have hugepages instead of $want: the demo and the tests go on without them," \
			"slower. As root: sysctl vm.nr_hugepages=$want"
	fi
	return 0
}

# promtool checks the metrics in the tests. Its package brings a server that would be started, so only
# the program is taken out of it.
fetch_promtool() {
	local to=$here/../../build/deps/promtool folder
	[ ! -x "$to" ] && ! command -v promtool >/dev/null || return 0
	folder=$(mktemp -d) && chmod 755 "$folder" || return 1
	echo "deps: fetching promtool"
	(
		cd "$folder" || exit 1
		apt-get download -q prometheus </dev/null >/dev/null 2>&1 ||
			{ [ "$(id -u)" != 0 ] || apt-get update -q </dev/null >/dev/null
				apt-get download -q prometheus </dev/null >/dev/null 2>&1; }
		dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
	) && mkdir -p "${to%/*}" && mv "$folder/usr/bin/promtool" "$to"
	rm -rf "$folder"
	[ -x "$to" ] && return 0
	echo "deps: promtool (of the package prometheus) could not be fetched: a test will miss it" >&2
	return 0
}

install_packages || exit 1
"$here/mbedtls.sh" || exit 1
fetch_promtool
ask_for_hugepages
