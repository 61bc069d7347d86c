/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY header that a session begins with, of the client or for the backend. */
#include <rte_mbuf.h>

#include "dp/proxy/internal.h"

int
header_read(struct session *s)
{
	const struct queue *q = &s->queues[LEG_BACKEND];
	uint8_t copy[PROXY_PROTOCOL_MAX];
	uint32_t length = q->length < sizeof(copy) ? q->length : sizeof(copy);

	if (!q->head)
		return 0;
	return proxy_protocol_parse(rte_pktmbuf_read(q->head, 0, length, copy), length, &s->ends);
}

/* Whom the backend hears of: the client as the header before this one says, or as it is. */
static struct proxy_ends
ends_of(const struct proxy_ends *told, const struct tuple *client)
{
	if (told->known)
		return *told;
	return (struct proxy_ends){
		.src = client->src,
		.dst = client->dst,
		.sport = rte_be_to_cpu_16(client->sport),
		.dport = rte_be_to_cpu_16(client->dport),
		.known = true,
	};
}

struct rte_mbuf *
header_make(struct proxy *p, const struct proxy_ends *told, const struct tuple *client,
	    uint8_t version)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->worker->dataplane->mbufs);
	struct proxy_ends ends = ends_of(told, client);
	size_t length;
	uint8_t *at;

	if (!m)
		return NULL;
	at = rte_pktmbuf_mtod(m, uint8_t *);
	length = version == PROXY_HEADER_V1 ? proxy_protocol_write_v1(&ends, at)
					    : proxy_protocol_write_v2(&ends, at);
	rte_pktmbuf_append(m, (uint16_t)length);
	return m;
}
