/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages of a packet's journey: each takes the whole burst, acts on the packets whose verdict
 * is VERDICT_CONTINUE, and leaves its decision in the packet. Called by dp/pipeline.c, in this
 * order, by the worker that owns the burst. No stage allocates, blocks or calls the kernel. A stage
 * may change packet.verdict; only pipeline.c acts on it.
 */
#ifndef DP_L4_STAGES_H
#define DP_L4_STAGES_H

#include "dp/packet.h"
#include "dp/worker.h"

/* parse.c: from mbuf to struct packet. In: mbuf, in_port. Sets all fields that describe the packet,
 * and verdict: CONTINUE, HOST (HOST_ONLY) or DROP. Trusts nothing; afterwards l3, l4, inner_* lie
 * within the first segment and their headers are complete. */
void stage_parse(struct worker *w, struct burst *b);

/* classify.c: whose packet is it? Sets direction, service (forward; for a later fragment only that
 * some service lives there), or HOST, or DROP. */
void stage_classify(struct worker *w, struct burst *b);

/* steer.c: sets owner; another worker's packets get VERDICT_STEER. Packets with frag_resolved are
 * not steered to a fragment's home again. */
void stage_steer(struct worker *w, struct burst *b);

/* fragment.c: gives later fragments their datagram's ports, and then their service; holds what came
 * before its first fragment (VERDICT_TAKEN). A first fragment that releases held ones appends them
 * to the burst `released`, in the order of their arrival; the caller runs that burst through the
 * stages that follow. With its ports each fragment is classified anew, and may now be the host's or
 * another worker's (full-nat answers). Full: DROP. True if there was a fragment to look at. */
bool stage_fragment(struct worker *w, struct burst *b, struct burst *released);

/* limit.c: who may come, and how much: allow and deny lists, then packets and bytes of clients and
 * of services. Sets client; DROP. */
void stage_limit(struct worker *w, struct burst *b);

/* dp/proxy/stage.c, between limit and track: what is sent to listeners, and by backends to
 * connections of ours, ends here (VERDICT_TAKEN); DROP. */

/* track.c: finds the connection (both directions) of packets that may have one; sets connection,
 * backend, service. */
void stage_track(struct worker *w, struct burst *b);

/* balance.c: chooses the backend of forward packets without a connection, by the rules of settled
 * and candidate tables, and makes the entries that these and the mode demand. */
void stage_balance(struct worker *w, struct burst *b);

/* rewrite.c: by the mode, with checksums, TTL, MTU: VERDICT_TRANSMIT with out_port, or DROP. A
 * packet that earns an ICMP answer (too big, time exceeded) is turned into that answer in place. */
void stage_rewrite(struct worker *w, struct burst *b);

/* icmp.c: echo requests to service addresses become their replies (VERDICT_TRANSMIT), rate-limited.
 */
void stage_echo(struct worker *w, struct burst *b);

#endif
