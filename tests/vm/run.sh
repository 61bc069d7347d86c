#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Twins behind vhost-net, in a virtual machine: where tests run there mostly is no /dev/vhost-net.
# `make check-vhost` calls it as root; it needs no network card and no disk image.
#
#   run.sh              what guest.sh tests; ends with `N passed, N failed`
#   VM_ACCEL=tcg run.sh do not try KVM (without it the guest is emulated: some minutes)
#   VM_SHELL=1 run.sh   a shell in the guest instead
#
# Downloads: the packages of qemu, busybox and cpio if they are missing, and, into build/vm, the
# Debian kernel's package (70 MB), which is unpacked there and not installed.
set -eu
cd "$(dirname "$(readlink -f "$0")")/../.."
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
work=build/vm
root=$work/root
log=$work/console.log
modules="tun tap vhost vhost_iotlb vhost_net veth 8021q garp mrp stp llc"
limit=900

need_packages() {
	local package missing=()
	for package in qemu-system-x86 busybox-static cpio; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' $package 2>/dev/null)" = installed ] ||
			missing+=($package)
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "vm: installing ${missing[*]}"
	apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}

# The kernel that linux-image-amd64 stands for.
need_kernel() {
	local package
	ls $work/kernel/boot/vmlinuz-* >/dev/null 2>&1 && return 0
	package=$(apt-cache depends linux-image-amd64 | awk '$1 == "Depends:" { print $2; exit }')
	echo "vm: downloading $package"
	(cd $work && apt-get download -q "$package" >/dev/null)
	dpkg-deb -x $work/"$package"_*.deb $work/kernel
	rm $work/"$package"_*.deb
}

# A program or library, and the libraries that it needs, at the same place in the guest.
put() {
	local file=$1 library
	install -D "$file" "$root/${2:-$file}"
	ldd "$file" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
		[ -e "$root/$library" ] || install -D "$library" "$root/$library"
	done
}

make_guest() {
	local driver module file drivers
	rm -rf $root && mkdir -p $root/proc $root/sys $root/dev $root/run $root/tmp $root/bin
	cp /bin/busybox $root/bin/
	for file in "$(command -v ip)" "$(command -v ethtool)"; do
		put "$(readlink -f "$file")" "/usr/bin/${file##*/}"
	done
	put build/vm/bin/penstockd /usr/bin/penstockd
	put build/vm/bin/penstock /usr/bin/penstock
	drivers=$(echo /usr/lib/*/dpdk/pmds-*)
	for driver in bus_vdev mempool_ring net_af_packet net_virtio; do
		put "$(ls "$drivers"/librte_$driver.so.*.*)"
	done
	for module in $modules; do
		file=$(find $work/kernel -name "$module.ko*")
		case $file in
		*.xz) xz -dc "$file" >"$work/$module.ko" && file=$work/$module.ko ;;
		esac
		install -D "$file" "$root/lib/modules/$(basename $work/kernel/lib/modules/*)/$module.ko"
	done
	install tests/vm/guest.sh $root/init
	(cd $root && find . | cpio -o -H newc 2>/dev/null | gzip -1) >$work/guest.gz
}

boot() {
	timeout --foreground $limit qemu-system-x86_64 "$@" -m 2048 -nographic -no-reboot -nic none \
		-kernel $work/kernel/boot/vmlinuz-* -initrd $work/guest.gz \
		-append "console=ttyS0 quiet panic=-1 ${VM_SHELL:+penstock.shell}"
}

# KVM, if there is one that works: some virtual machines have the device and cannot.
accelerated() {
	[ "${VM_ACCEL:-kvm}" = kvm ] && [ -w /dev/kvm ] || return 1
	timeout 20 qemu-system-x86_64 -accel kvm -cpu host -m 512 -nographic -no-reboot -nic none \
		-kernel $work/kernel/boot/vmlinuz-* -append "console=ttyS0 panic=-1" </dev/null 2>&1 |
		grep -q "Linux version"
}

[ "$(id -u)" = 0 ] || { echo "vm: run this as root" >&2; exit 1; }
mkdir -p $work
need_packages
need_kernel
make -s -j"$(nproc)" B=$work/bin MARCH=x86-64-v3 all
make_guest
if accelerated; then
	machine=(-accel kvm -cpu host -smp 3)
else
	machine=(-accel tcg,thread=multi -cpu max -smp 3)
fi
echo "vm: booting the guest (${machine[1]%%,*})"
if [ -n "${VM_SHELL:-}" ]; then
	boot "${machine[@]}"
	exit
fi
boot "${machine[@]}" </dev/null 2>&1 | sed -u 's/\r//g' | tee $log | grep --line-buffered -aE '^(vm:|  |[0-9]+ passed)' || true
grep -qaE '^[1-9][0-9]* passed, 0 failed$' $log || { echo "vm: the console is in $log" >&2; exit 1; }
