/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/net/netlink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define RECEIVE_SIZE  65536
#define FOLLOW_BUFFER (8 << 20) /* bytes of messages that the kernel keeps for us */

struct netlink {
	struct mnl_socket *socket;
	unsigned int port;
	uint32_t sequence;
	char reason[160];
	char buffer[RECEIVE_SIZE];
};

static int
netlink_join(struct netlink *nl, uint32_t groups)
{
	int size = FOLLOW_BUFFER, group;
	int fd = mnl_socket_get_fd(nl->socket);

	/* A privilege; without it the ordinary size does, and losses are noticed. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (group = 1; group <= 32; group++) {
		if (!(groups >> (group - 1) & 1))
			continue;
		if (mnl_socket_setsockopt(nl->socket, NETLINK_ADD_MEMBERSHIP, &group,
					  sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

struct netlink *
netlink_open(uint32_t groups)
{
	struct netlink *nl = calloc(1, sizeof(*nl));
	int on = 1;

	if (!nl)
		return NULL;
	nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl->socket || mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    netlink_join(nl, groups) != 0) {
		netlink_close(nl);
		return NULL;
	}
	nl->port = mnl_socket_get_portid(nl->socket);
	mnl_socket_setsockopt(nl->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	return nl;
}

void
netlink_close(struct netlink *nl)
{
	if (!nl)
		return;
	if (nl->socket)
		mnl_socket_close(nl->socket);
	free(nl);
}

int
netlink_fd(const struct netlink *nl)
{
	return mnl_socket_get_fd(nl->socket);
}

/* ---- requests ---- */

void *
netlink_begin(struct netlink_request *r, uint16_t type, uint16_t flags, size_t size)
{
	r->header = mnl_nlmsg_put_header(r->buffer);
	r->header->nlmsg_type = type;
	r->header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return mnl_nlmsg_put_extra_header(r->header, size);
}

int
netlink_family(const struct addr *addr)
{
	return addr_is_v4(addr) ? AF_INET : AF_INET6;
}

void
netlink_put_addr(struct netlink_request *r, uint16_t type, const struct addr *addr)
{
	if (addr_is_v4(addr))
		mnl_attr_put(r->header, type, 4, addr->b + 12);
	else
		mnl_attr_put(r->header, type, 16, addr->b);
}

/* The kernel's answer to a request: its error, and its words if it has any. */
static int
netlink_answer(struct netlink *nl, const struct nlmsghdr *header)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(header);
	const struct nlattr *list[NLMSGERR_ATTR_MSG + 1];
	size_t skip = sizeof(*answer);

	if (answer->error == 0)
		return 0;
	snprintf(nl->reason, sizeof(nl->reason), "%s", strerror(-answer->error));
	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return answer->error;
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		skip += mnl_nlmsg_get_payload_len(&answer->msg);
	netlink_attributes(header, skip, list, NLMSGERR_ATTR_MSG + 1);
	if (list[NLMSGERR_ATTR_MSG])
		snprintf(nl->reason, sizeof(nl->reason), "%s",
			 mnl_attr_get_str(list[NLMSGERR_ATTR_MSG]));
	return answer->error;
}

const char *
netlink_reason(const struct netlink *nl)
{
	return nl->reason;
}

static int
netlink_failed(struct netlink *nl, int err)
{
	snprintf(nl->reason, sizeof(nl->reason), "%s", strerror(err));
	return -err;
}

int
netlink_send(struct netlink *nl, struct netlink_request *r)
{
	const struct nlmsghdr *header;
	ssize_t got;
	int left;

	r->header->nlmsg_seq = ++nl->sequence;
	if (mnl_socket_sendto(nl->socket, r->header, r->header->nlmsg_len) < 0)
		return netlink_failed(nl, errno);
	for (;;) {
		got = mnl_socket_recvfrom(nl->socket, nl->buffer, sizeof(nl->buffer));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return netlink_failed(nl, errno);
		left = (int)got;
		for (header = (const void *)nl->buffer; mnl_nlmsg_ok(header, left);
		     header = mnl_nlmsg_next(header, &left))
			if (header->nlmsg_seq == nl->sequence && header->nlmsg_type == NLMSG_ERROR)
				return netlink_answer(nl, header);
	}
}

/* ---- dumps and changes ---- */

/* One datagram of a dump. 1: more will come; 0: that was the end; -errno. */
static int
netlink_dump_part(struct netlink *nl, int len, netlink_message_fn *fn, void *arg, bool *interrupted)
{
	const struct nlmsghdr *header;

	for (header = (const void *)nl->buffer; mnl_nlmsg_ok(header, len);
	     header = mnl_nlmsg_next(header, &len)) {
		if (header->nlmsg_seq != nl->sequence)
			continue;
		if (header->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (header->nlmsg_type == NLMSG_DONE)
			return 0;
		if (header->nlmsg_type == NLMSG_ERROR)
			return netlink_answer(nl, header);
		fn(header, arg);
	}
	return 1;
}

int
netlink_dump(struct netlink *nl, uint16_t type, uint8_t family, netlink_message_fn *fn, void *arg)
{
	struct netlink_request r;
	struct rtmsg *message = netlink_begin(&r, type, NLM_F_DUMP, sizeof(*message));
	bool interrupted = false;
	ssize_t got;
	int ret = 1;

	/* All kinds of objects that we ask for have the family first. */
	message->rtm_family = family;
	r.header->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
	r.header->nlmsg_seq = ++nl->sequence;
	if (mnl_socket_sendto(nl->socket, r.header, r.header->nlmsg_len) < 0)
		return netlink_failed(nl, errno);
	while (ret == 1) {
		got = mnl_socket_recvfrom(nl->socket, nl->buffer, sizeof(nl->buffer));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return netlink_failed(nl, errno);
		ret = netlink_dump_part(nl, (int)got, fn, arg, &interrupted);
	}
	return ret == 0 && interrupted ? -EINTR : ret;
}

int
netlink_follow(struct netlink *nl, netlink_message_fn *fn, void *arg)
{
	const struct nlmsghdr *header;
	ssize_t got;
	int left, ret = 0;

	for (;;) {
		got = recv(netlink_fd(nl), nl->buffer, sizeof(nl->buffer), MSG_DONTWAIT);
		if (got < 0 && errno == ENOBUFS) {
			ret = -ENOBUFS;
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return ret;
		left = (int)got;
		for (header = (const void *)nl->buffer; mnl_nlmsg_ok(header, left);
		     header = mnl_nlmsg_next(header, &left))
			if (header->nlmsg_type >= NLMSG_MIN_TYPE)
				fn(header, arg);
	}
}

/* ---- attributes ---- */

static void
attributes_collect(const struct nlattr *first, int len, const struct nlattr **list, size_t count)
{
	const struct nlattr *attribute;
	size_t i;

	for (i = 0; i < count; i++)
		list[i] = NULL;
	for (attribute = first; mnl_attr_ok(attribute, len); attribute = mnl_attr_next(attribute)) {
		uint16_t type = mnl_attr_get_type(attribute);

		if (type < count)
			list[type] = attribute;
		len -= (int)MNL_ALIGN(attribute->nla_len);
	}
}

void
netlink_attributes(const struct nlmsghdr *header, size_t family_header, const struct nlattr **list,
		   size_t count)
{
	const char *first = mnl_nlmsg_get_payload_offset(header, family_header);
	const char *end = (const char *)header + header->nlmsg_len;

	attributes_collect((const void *)first, end > first ? (int)(end - first) : 0, list, count);
}

void
netlink_nested(const void *data, size_t len, const struct nlattr **list, size_t count)
{
	attributes_collect(data, (int)len, list, count);
}

bool
netlink_get_addr(const struct nlattr *attribute, int family, struct addr *out)
{
	const void *data;
	uint32_t v4;

	if (!attribute)
		return false;
	data = mnl_attr_get_payload(attribute);
	if (family == AF_INET && mnl_attr_get_payload_len(attribute) >= 4) {
		memcpy(&v4, data, 4);
		*out = addr_from_v4(v4);
		return true;
	}
	if (family == AF_INET6 && mnl_attr_get_payload_len(attribute) >= 16) {
		*out = addr_from_v6(data);
		return true;
	}
	return false;
}
