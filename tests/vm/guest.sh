#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
#
# The first process of the guest that run.sh boots: penstockd between a client and a backend, each a
# network namespace, with twins behind vhost-net; then without, for the fallback.
#
#     client 10.1.0.2 --- wan | penstockd | lan --- 10.2.0.11 backend
passed=0
failed=0
MB=${MB:-50}

# The shell would take its own.
ip() { /usr/bin/ip "$@"; }

begin() {
	/bin/busybox mkdir -p /sbin /etc /var/lib
	/bin/busybox --install -s /bin
	export PATH=/usr/bin:/bin
	mount -t proc proc /proc
	mount -t sysfs sys /sys
	mount -t devtmpfs dev /dev
	mkdir -p /dev/hugepages /dev/shm
	mount -t hugetlbfs huge /dev/hugepages
	mount -t tmpfs tmp /dev/shm
	dmesg -n 3
	echo 300 >/proc/sys/vm/nr_hugepages
	depmod
	for module in tun vhost_net veth 8021q; do modprobe $module; done
	[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
	ip link set lo up
}

# neighbour NAMESPACE DEVICE NET: a namespace with the other end of DEVICE and the addresses .2 and
# .11 of 10.NET.0.0/24, and in VLAN 7 of 10.NET.7.0/24.
neighbour() {
	ip netns add $1
	ip link add $2 type veth peer name eth0 netns $1
	ip netns exec $1 ethtool -K eth0 tx off rx off tso off gso off gro off txvlan off >/dev/null
	ip link set $2 up
	ip -n $1 link set lo up
	ip -n $1 link set eth0 up
	ip -n $1 addr add 10.$3.0.2/24 dev eth0
	ip -n $1 addr add 10.$3.0.11/24 dev eth0
	ip -n $1 addr add 2001:db8:$3::2/64 dev eth0 nodad
	ip -n $1 link add link eth0 name eth0.7 type vlan id 7
	ip -n $1 link set eth0.7 up
	ip -n $1 addr add 10.$3.7.2/24 dev eth0.7
	ip -n $1 route add default via 10.$3.0.1
}

# configuration VLANS
configuration() {
	cat <<-EOF
	dataplane: { workers = [ 1, 2 ]; control = 0; memory = "512M"; connections = 65536; idle = "sleep"; };
	interfaces = (
	  { name = "wan"; device = "net_af_packet0,iface=veth-wan"; side = "client";
	    addresses = [ "10.1.0.1/24", "2001:db8:1::1/64" ]; $1 },
	  { name = "lan"; device = "net_af_packet1,iface=veth-lan"; side = "backend";
	    addresses = [ "10.2.0.1/24", "2001:db8:2::1/64" ]; } );
	pools = ( { name = "web"; backends = ( { address = "10.2.0.11"; port = 8080; } ); } );
	services = ( { name = "web"; address = "203.0.113.10"; port = 80; protocol = "tcp"; forward = "nat"; pool = "web"; } );
	EOF
}

# start [NAME=VALUE]: penstockd, with an environment of its own.
start() {
	env "$@" penstockd --config /etc/penstock.conf --foreground >/tmp/penstockd.log 2>&1 &
	daemon=$!
	for i in $(seq 300); do
		grep -q ready /tmp/penstockd.log && return 0
		kill -0 $daemon 2>/dev/null || break
		sleep 0.1
	done
	cat /tmp/penstockd.log
	return 1
}

# It ends by itself, with exit code 0, and leaves no device behind.
stop() {
	kill -TERM $daemon
	wait $daemon || return 1
	! ip link show wan 2>/dev/null && ! ip link show lan 2>/dev/null
}

# check WHAT COMMAND...: one line, with what the command printed if it failed.
check() {
	local what=$1
	shift
	if "$@" >/tmp/output 2>&1; then
		passed=$((passed + 1))
		echo "  ok      $what"
	else
		failed=$((failed + 1))
		echo "  FAILED  $what: $*"
		tail -n 20 /tmp/output | sed 's/^/          /'
	fi
}

client() { ip netns exec client "$@"; }
backend() { ip netns exec backend "$@"; }
not() { ! "$@"; }
# eventually COMMAND...: within ten seconds
eventually() {
	for i in $(seq 50); do
		"$@" && return 0
		sleep 0.2
	done
	return 1
}

vhost_descriptors() {
	ls -l /proc/$(pidof penstockd)/fd | grep -c /dev/vhost-net
}
has_vhost_descriptors() { [ "$(vhost_descriptors)" = $1 ]; }
by_vhost() { ip -d link show $1 | grep -q "vnet_hdr on"; }
by_tap() { ip -d link show $1 | grep -q "tun type tap" && not by_vhost $1; }
address_of_port() { ip link show $1 | grep -q "$(cat /sys/class/net/veth-$1/address)"; }
logged() { [ "$(grep -c "$1" /tmp/penstockd.log)" = ${2:-1} ]; }
no_drops() { penstock show drops | not grep "$1"; }

# transfer SUM COMMAND...: the bytes that the command prints have this checksum
transfer() {
	local sum=$1
	shift
	[ "$("$@" | md5sum)" = "$sum" ]
}

serve() {
	dd if=/dev/urandom of=/srv/bulk bs=1M count=$MB 2>/dev/null
	echo "from the backend" >/srv/index.html
	sum=$(md5sum </srv/bulk)
	httpd -p 8000 -h /srv
	client httpd -p 8000 -h /srv
	backend httpd -p 8080 -h /srv
}

both_families() {
	check "$1: a neighbour pings the twin" client ping -c 3 -W 2 -A 10.1.0.1
	check "$1: over IPv6" client ping -c 3 -W 2 -A 2001:db8:1::1
	check "$1: the twin pings a neighbour" ping -c 3 -W 2 -A 10.2.0.11
	check "$1: frames of the full MTU" client ping -c 3 -W 2 -A -s 1472 10.1.0.1
	check "$1: nat, the backend resolved on the twin" \
		eventually client sh -c 'wget -q -O - http://203.0.113.10/index.html | grep backend'
}

# ---- what is tested ----

by_vhost_net() {
	configuration "" >/etc/penstock.conf
	check "penstockd starts" start
	check "both twins are behind vhost-net" has_vhost_descriptors 2
	check "as the kernel says" by_vhost wan
	check "the twin has the port's address" address_of_port wan
	both_families vhost-net
	check "TCP to the twin: $MB MB from here" transfer "$sum" client wget -q -O - http://10.1.0.1:8000/bulk
	check "TCP from the twin: $MB MB to here" transfer "$sum" wget -q -O - http://10.1.0.2:8000/bulk
	check "$MB MB through nat beside it" transfer "$sum" client wget -q -O - http://203.0.113.10:80/bulk
}

changes() {
	configuration "vlans = ( { id = 7; addresses = [ \"10.1.7.1/24\" ]; } );" >/tmp/vlan.conf
	check "a VLAN comes by apply" penstock apply /tmp/vlan.conf
	check "its twin is behind vhost-net" has_vhost_descriptors 3
	check "its neighbour pings it" client ping -c 3 -W 2 -A 10.1.7.1
	check "it pings its neighbour, full MTU" ping -c 3 -W 2 -A -s 1472 10.1.7.2
	check "the VLAN goes by apply" penstock apply /etc/penstock.conf
	check "so does its twin" not ip link show wan.7
	check "and its descriptor" has_vhost_descriptors 2
	check "the VLAN comes again" penstock apply /tmp/vlan.conf
	check "its neighbour pings it again" client ping -c 3 -W 2 -A 10.1.7.1
	ip link del wan
	check "a deleted twin comes back" eventually client ping -c 3 -W 2 -A 10.1.0.1
	check "behind vhost-net" by_vhost wan
	ip link set wan down
	check "a twin that is down takes nothing" not client ping -c 1 -W 1 10.1.0.1
	ip link set wan up
	check "and is up again" eventually client ping -c 3 -W 2 -A 10.1.0.1
	for i in $(seq 20); do
		penstock apply /etc/penstock.conf && penstock apply /tmp/vlan.conf
	done >/dev/null 2>&1
	check "after 20 more comings and goings" client ping -c 3 -W 2 -A 10.1.7.1
	check "no descriptor is left over" has_vhost_descriptors 3
	check "no packet buffer was missing" no_drops mbuf-exhausted
	check "it ends" stop
}

fallback() {
	check "penstockd starts without vhost-net" start PENSTOCK_VHOST_NET=/dev/null
	check "with one line that says so" logged "no vhost-net for its twin, a TAP device instead"
	check "its twins are TAP devices" by_tap lan
	both_families TAP
	check "TCP to the twin: $MB MB from here" transfer "$sum" client wget -q -O - http://10.1.0.1:8000/bulk
	check "TCP from the twin: $MB MB to here" transfer "$sum" wget -q -O - http://10.1.0.2:8000/bulk
	check "it ends" stop
	mv /dev/vhost-net /dev/vhost-not
	check "penstockd starts where there is no device" start
	check "and says nothing" logged vhost-net 0
	check "its twins are TAP devices" by_tap wan
	check "it ends" stop
	mv /dev/vhost-not /dev/vhost-net
}

begin
echo # ends what the firmware has left on the line
case $(cat /proc/cmdline) in
*penstock.shell*) setsid cttyhack sh ;;
*)
	mkdir -p /srv
	neighbour client veth-wan 1
	neighbour backend veth-lan 2
	serve
	by_vhost_net
	changes
	fallback
	[ $failed = 0 ] || { cat /tmp/penstockd.log; dmesg | tail -n 20; }
	echo "$passed passed, $failed failed"
	;;
esac
poweroff -f
