/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp-peer: see peer.h.
 *
 *     tcp-peer --iface DEV --driver af_xdp|af_packet --mac M --peer-mac M --address A... --mtu N
 *              [--cookies] [--reorder PER-MILLE] [--window BYTES]
 *              --serve                              until SIGTERM
 *              --connect ADDRESS --port PORT [--send N] [--get PATH]      one connection
 *
 * Says "ready" when it serves, at the end a report in JSON, and what it is at after SIGUSR1.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "tests/tcp/peer/peer.h"

#define CONNECTIONS 65536
#define IDLE_LOOPS  2000
#define ADVANCE_NS  10000000
#define PATIENCE_NS 300000000000ull

static volatile sig_atomic_t ending, asked;

static void
end(int signal_number)
{
	(void)signal_number;
	ending = 1;
}

static void
ask(int signal_number)
{
	(void)signal_number;
	asked = 1;
}

static void
usage(const char *what)
{
	fprintf(stderr, "tcp-peer: %s\n", what);
	exit(2);
}

static void
parse_address(struct peer_options *o, const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) != 0)
		usage("not an address");
	o->own[!addr_is_v4(&a)] = a;
}

static void
parse_number(struct peer_options *o, int c, const char *text)
{
	uint64_t n = strtoull(text, NULL, 10);

	switch (c) {
	case 'P':
		o->to_port = (uint16_t)n;
		break;
	case 't':
		o->mtu = (uint16_t)n;
		break;
	case 'r':
		o->reorder = (uint32_t)n;
		break;
	case 'w':
		o->tcp.receive_window = o->tcp.send_buffer = (uint32_t)n;
		break;
	default:
		o->send = n;
		break;
	}
}

static void
parse_options(struct peer_options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "iface", required_argument, NULL, 'i' },
		{ "driver", required_argument, NULL, 'd' },
		{ "mac", required_argument, NULL, 'm' },
		{ "peer-mac", required_argument, NULL, 'M' },
		{ "address", required_argument, NULL, 'a' },
		{ "mtu", required_argument, NULL, 't' },
		{ "cookies", no_argument, NULL, 'k' },
		{ "reorder", required_argument, NULL, 'r' },
		{ "window", required_argument, NULL, 'w' },
		{ "serve", no_argument, NULL, 's' },
		{ "connect", required_argument, NULL, 'c' },
		{ "port", required_argument, NULL, 'P' },
		{ "send", required_argument, NULL, 'n' },
		{ "get", required_argument, NULL, 'g' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'i':
			o->iface = optarg;
			break;
		case 'd':
			o->driver = optarg;
			break;
		case 'm':
			if (mac_parse(optarg, &o->mac) != 0)
				usage("not a MAC address");
			break;
		case 'M':
			if (mac_parse(optarg, &o->peer_mac) != 0)
				usage("not a MAC address");
			break;
		case 'a':
			parse_address(o, optarg);
			break;
		case 'k':
			o->tcp.syn_cookies_always = true;
			break;
		case 's':
			o->serve = true;
			break;
		case 'c':
			o->connect = addr_parse(optarg, &o->to) == 0;
			break;
		case 'g':
			o->get = optarg;
			break;
		case '?':
			usage("see the top of main.c");
			break;
		default:
			parse_number(o, c, optarg);
			break;
		}
	}
	o->tcp.mtu = o->mtu;
	if (!o->iface || !o->driver || o->serve == o->connect)
		usage("--iface, --driver, and --serve or --connect");
}

static void
create(struct peer *p)
{
	struct tcp_settings settings = { .connections = CONNECTIONS,
					 .socket = SOCKET_ID_ANY,
					 .output = TCP_OUTPUT_LINEAR,
					 .mbufs = p->mbufs,
					 .clones = p->clones };
	struct tcp_calls calls;
	char line[9];
	uint64_t r;

	for (size_t i = 0; i < sizeof(settings.secret); i += sizeof(r)) {
		r = peer_random(p);
		memcpy(settings.secret + i, &r, sizeof(r));
	}
	service_calls(p, &calls);
	p->now = dp_clock_now(&p->clock);
	p->tcp = tcp_create(&settings, &calls, p->now);
	p->sessions = calloc(PEER_SESSIONS, sizeof(*p->sessions));
	p->free_sessions = calloc(PEER_SESSIONS, sizeof(*p->free_sessions));
	p->block = malloc(PEER_BLOCK + PEER_PIECE);
	if (!p->tcp || !p->sessions || !p->free_sessions || !p->block)
		usage("no memory");
	for (uint32_t i = 0; i < PEER_SESSIONS; i++)
		p->free_sessions[p->n_free++] = PEER_SESSIONS - 1 - i;
	for (uint32_t i = 0; i < (PEER_BLOCK + PEER_PIECE) / 8; i++) {
		snprintf(line, sizeof(line), "%07u\n", i % (PEER_BLOCK / 8));
		memcpy(p->block + (size_t)8 * i, line, 8);
	}
}

/* For people who wonder why nothing happens: SIGUSR1. */
static void
describe(struct peer *p)
{
	const struct tcp_counters *c = tcp_counters(p->tcp);
	uint32_t cursor = 0;
	struct tcp_info i;

	asked = 0;
	while (cursor != UINT32_MAX) {
		if (!tcp_walk(p->tcp, &cursor, UINT32_MAX, &i))
			continue;
		fprintf(
		    stderr,
		    "tcp-peer: %s srtt %.3f rto %.3f ms cwnd %u in flight %u queued %u unread %u "
		    "windows %u %u sent again %u%s\n",
		    tcp_state_name(i.state), (double)i.srtt / 1e6, (double)i.rto / 1e6, i.cwnd,
		    i.in_flight, i.queued, i.unread, i.send_window, i.receive_window, i.retransmits,
		    i.recovering ? " recovering" : "");
	}
	fprintf(stderr, "tcp-peer: %u of %u buffers are in use, %u wait\n",
		rte_mempool_in_use_count(p->mbufs), p->mbufs->size, p->n_held);
#define X(name, text) fprintf(stderr, #name " %" PRIu64 " ", c->name);
	TCP_COUNTERS(X)
#undef X
	fputc('\n', stderr);
	wire_describe(p);
}

static void
loop(struct peer *p)
{
	uint64_t advanced = 0, from = p->now;
	unsigned int idle = 0;

	while (!ending && !p->client_done) {
		p->now = dp_clock_now(&p->clock);
		idle = wire_poll(p) ? 0 : idle + 1;
		tcp_advance(p->tcp, p->now);
		if (p->now - advanced > ADVANCE_NS) {
			service_advance(p);
			advanced = p->now;
		}
		tcp_flush(p->tcp, p->now);
		wire_flush(p);
		if (asked)
			describe(p);
		if (p->options.connect && p->now - from > PATIENCE_NS)
			return;
		if (idle > IDLE_LOOPS)
			usleep(100);
	}
	/* The last acknowledgements. */
	tcp_flush(p->tcp, p->now);
	wire_flush(p);
}

static void
report(struct peer *p)
{
	const struct tcp_counters *c = tcp_counters(p->tcp);
	const char *wrong = tcp_check(p->tcp);
	double seconds = (double)(p->now - p->began) / 1e9;

	if (wrong)
		fprintf(stderr, "tcp-peer: %s\n", wrong);
	printf("{\"sound\": %s, \"seconds\": %.6f, \"dropped_at_port\": %" PRIu64,
	       wrong ? "false" : "true", seconds, p->tx_dropped);
	if (p->options.connect)
		printf(", \"done\": %s, \"cause\": \"%s\", \"received\": %" PRIu64
		       ", \"right\": %s",
		       p->client_done ? "true" : "false", tcp_close_cause_name(p->client_cause),
		       p->client_received, p->client_wrong ? "false" : "true");
#define X(name, text) printf(", \"" #name "\": %" PRIu64, c->name);
	TCP_COUNTERS(X)
#undef X
	printf("}\n");
}

int
main(int argc, char **argv)
{
	static struct peer peer;
	struct sigaction action = { .sa_handler = end };

	peer.options.mtu = 1500;
	parse_options(&peer.options, argc, argv);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = ask;
	sigaction(SIGUSR1, &action, NULL);
	wire_open(&peer);
	create(&peer);
	peer.began = peer.now;
	if (peer.options.serve) {
		service_listen(&peer);
		puts("ready");
		fflush(stdout);
	} else {
		service_connect(&peer);
	}
	loop(&peer);
	report(&peer);
	tcp_destroy(peer.tcp);
	wire_close(&peer);
	return 0;
}
