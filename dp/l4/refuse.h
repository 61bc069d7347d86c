/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to a client whose service has no backend and is to say so (SERVICE_REFUSE): a TCP
 * segment becomes a RST (RFC 9293, 3.10.7.1), a datagram becomes ICMP "port unreachable". Both keep
 * to a rate of their own per worker; over it, and where no answer may be given (a RST, an ICMP
 * error, a later fragment, a link-layer multicast), the packet is dropped as any other. Worker
 * only.
 */
#ifndef DP_L4_REFUSE_H
#define DP_L4_REFUSE_H

#include "dp/packet.h"
#include "dp/worker.h"

/* p, a forward packet of a service, is lost for `reason`, which is counted in any case: it becomes
 * the answer (VERDICT_TRANSMIT), or is dropped. */
void refuse(struct worker *w, struct packet *p, enum drop_reason reason);

#endif
