/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     IDLE ──start──> RUNNING ──count, reader, daemon──> LEAVING ──no worker──> DRAINING
 *       ▲                                                          has it        │ rings empty
 *       └──────────────────────all sent, or the reader is gone────── FLUSHING <──┘
 *
 * A turn moves records from the rings to `out` for some hundred microseconds, and only when all of
 * `out` has gone to the socket.
 */
#include "cp/capture/captures.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cp/admin/explain_text.h"
#include "cp/capture/comment.h"
#include "cp/log.h"
#include "lib/pcapng.h"
#include "lib/stream.h"

#define PAUSE_NS   1000000ull /* between turns */
#define TURN_NS    500000ull  /* no longer than this at a time */
#define OUT_SIZE   (1u << 20)
#define BLOCK_MAX  (CAPTURE_SNAPLEN_MAX + COMMENT_SIZE + PCAPNG_PACKET_OVERHEAD)
#define PATIENCE   60000000000ull /* for a reader that takes nothing */
#define NAMES_SIZE 64

enum stage {
	STAGE_IDLE,
	STAGE_RUNNING,
	STAGE_LEAVING,  /* a worker may still write into the rings */
	STAGE_DRAINING, /* none does; what is in them goes out */
	STAGE_FLUSHING, /* all is in `out` */
};

struct name {
	uint32_t slot, epoch; /* epoch 0: empty */
	const char *text;
};

struct captures {
	struct control *control;
	struct loop_timer *timer;
	enum stage stage;
	struct capture *capture;
	uint32_t first; /* position of the next capture's first record */
	uint64_t token; /* LEAVING */
	int fd;         /* of the reader; -1: gone */
	const char *reason;
	uint64_t left, packets;
	uint64_t received[SNAPSHOT_MAX_PORTS];
	int64_t wall; /* of the workers' time 0: ns since 1970 */
	uint64_t progress_at;
	size_t out_len, out_sent;
	uint8_t *out;
	struct name names[NAMES_SIZE]; /* of snapshot names_version */
	uint64_t names_version;
};

static void captures_turn(void *arg);

struct captures *
captures_create(struct control *control)
{
	struct captures *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->control = control;
	c->fd = -1;
	c->first = 1;
	c->timer = loop_timer_create(control->loop, captures_turn, c);
	if (!c->timer) {
		free(c);
		return NULL;
	}
	return c;
}

/* ---- the reader ---- */

static void
reader_gone(struct captures *c)
{
	if (c->fd < 0)
		return;
	loop_fd_remove(c->control->loop, c->fd);
	close(c->fd);
	c->fd = -1;
}

/* No worker begins to write from its next iteration on. */
static void
leave(struct captures *c, const char *reason)
{
	struct dataplane *dp = c->control->dp;

	if (c->stage != STAGE_RUNNING)
		return;
	c->reason = reason;
	c->stage = STAGE_LEAVING;
	atomic_store_explicit(&dp->capture, NULL, memory_order_release);
	c->token = rte_rcu_qsbr_start(dp->rcu);
}

/* Send what is left; what the socket does not take waits for its turn. */
static void
reader_send(struct captures *c)
{
	while (c->fd >= 0 && c->out_sent < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			reader_gone(c);
			leave(c, "the reader is gone");
			return;
		}
		c->out_sent += (size_t)n;
		c->progress_at = loop_now();
	}
	c->out_len = c->out_sent = 0;
}

static void
reader_event(int fd, uint32_t events, void *arg)
{
	struct captures *c = arg;
	char scrap[256];
	ssize_t n;

	if (events & (EPOLLHUP | EPOLLERR)) {
		reader_gone(c);
		leave(c, "the reader is gone");
		return;
	}
	n = recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT);
	if (n == 0) {
		/* It has shut down its side: enough. */
		loop_fd_modify(c->control->loop, fd, 0);
		leave(c, "stopped");
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		reader_gone(c);
		leave(c, "the reader is gone");
	}
}

/* ---- what is written ---- */

static uint64_t
wall_clock(const struct captures *c, uint64_t worker_time)
{
	return (uint64_t)(c->wall + (int64_t)worker_time);
}

/* The name of a record's service, NULL if it has none (any more). */
static const char *
service_name(struct captures *c, const struct capture_record *r)
{
	const struct snapshot *s = c->control->snapshot;
	struct name *name = &c->names[r->service % NAMES_SIZE];

	if (r->service == INDEX_NONE || !s)
		return NULL;
	/* Names belong to the configuration, which stays as long as its snapshots do. */
	if (c->names_version != s->version) {
		memset(c->names, 0, sizeof(c->names));
		c->names_version = s->version;
	}
	if (name->epoch != r->service_epoch || name->slot != r->service)
		*name = (struct name){
			.slot = r->service,
			.epoch = r->service_epoch,
			.text = service_slot_name(c->control, r->service, r->service_epoch),
		};
	return name->text;
}

/* Frames are written behind each other; the header of each when its length is known. */
static size_t
frame_begin(struct captures *c)
{
	size_t at = c->out_len;

	c->out_len += STREAM_HEADER;
	return at;
}

static void
frame_end(struct captures *c, size_t at, enum stream_kind kind)
{
	size_t length = c->out_len - at - STREAM_HEADER;

	if (length)
		stream_header_write(c->out + at, kind, (uint32_t)length);
	else
		c->out_len = at;
}

static void
write_headers(struct captures *c)
{
	const struct control *control = c->control;
	size_t frame = frame_begin(c), i;

	c->out_len +=
	    pcapng_section(c->out + c->out_len, OUT_SIZE - c->out_len, "penstock capture");
	for (i = 0; i < control->config->n_interfaces; i++) {
		const struct pcapng_interface interface = {
			.name = control->config->interfaces[i].name,
			.mac = control->port_macs[i].b,
			.snaplen = c->capture->snaplen,
		};

		c->out_len +=
		    pcapng_interface(c->out + c->out_len, OUT_SIZE - c->out_len, &interface);
	}
	frame_end(c, frame, STREAM_BLOCKS);
}

static void
write_record(struct captures *c, const struct capture_record *r, uint32_t worker)
{
	char comment[COMMENT_SIZE];
	const struct pcapng_packet packet = {
		.interface = r->port,
		.direction = r->event >= CAPTURE_OUT ? PCAPNG_OUTBOUND : PCAPNG_INBOUND,
		.time = wall_clock(c, r->time),
		.data = r->data,
		.captured = r->captured,
		.length = r->length,
		.comment = capture_comment(r, worker, service_name(c, r), comment),
	};

	c->out_len += pcapng_packet(c->out + c->out_len, OUT_SIZE - c->out_len, &packet);
	c->received[r->port]++;
	c->packets++;
	c->left--;
}

/* The oldest record that waits, of the workers' oldest. */
static const struct capture_record *
oldest(struct captures *c, uint32_t *worker)
{
	const struct capture_record *found = NULL;
	uint32_t i;

	for (i = 0; i < c->control->dp->n_workers; i++) {
		const struct capture_record *r = capture_peek(c->capture, i);

		if (!r || (found && found->time <= r->time))
			continue;
		found = r;
		*worker = i;
	}
	return found;
}

/* True if the rings are empty, or enough has been written. */
static bool
write_records(struct captures *c)
{
	uint64_t end = loop_now() + TURN_NS;
	const struct capture_record *r = NULL;
	uint32_t worker = 0, i;
	size_t frame;

	if (c->out_len)
		return false;
	frame = frame_begin(c);
	for (i = 0; c->left && OUT_SIZE - c->out_len >= BLOCK_MAX; i++) {
		if (i % 64 == 63 && loop_now() > end)
			break;
		r = oldest(c, &worker);
		if (!r)
			break;
		if (r->event != CAPTURE_NOTHING)
			write_record(c, r, worker);
		capture_done(c->capture, worker);
	}
	frame_end(c, frame, STREAM_BLOCKS);
	return !r || !c->left;
}

static uint64_t
lost_at(const struct captures *c, uint32_t port)
{
	uint64_t lost = 0;
	uint32_t i;

	for (i = 0; i < c->control->dp->n_workers; i++)
		lost += c->capture->rings[i].lost[port];
	return lost;
}

/* Statistics for each interface, and the stream's end. */
static void
write_end(struct captures *c)
{
	const struct control *control = c->control;
	size_t frame = frame_begin(c);
	char packets[24], lost_text[24];
	uint64_t lost = 0;
	uint32_t i;

	for (i = 0; i < control->dp->n_ports; i++) {
		const struct pcapng_statistics s = {
			.interface = i,
			.time = wall_clock(c, dp_clock_now(&control->dp->clock)),
			.received = c->received[i] + lost_at(c, i),
			.dropped = lost_at(c, i),
		};

		lost += s.dropped;
		c->out_len += pcapng_statistics(c->out + c->out_len, OUT_SIZE - c->out_len, &s);
	}
	frame_end(c, frame, STREAM_BLOCKS);
	frame = frame_begin(c);
	c->out_len +=
	    (size_t)snprintf((char *)c->out + c->out_len, OUT_SIZE - c->out_len,
			     "{\"packets\":%llu,\"lost\":%llu,\"reason\":\"%s\"}",
			     (unsigned long long)c->packets, (unsigned long long)lost, c->reason);
	frame_end(c, frame, STREAM_END);
	snprintf(packets, sizeof(packets), "%llu", (unsigned long long)c->packets);
	snprintf(lost_text, sizeof(lost_text), "%llu", (unsigned long long)lost);
	log_event(LOG_LEVEL_INFO, "capture-end", "reason", c->reason, "packets", packets, "lost",
		  lost_text, (const char *)NULL);
}

/* ---- from beginning to end ---- */

static void
forget(struct captures *c)
{
	reader_gone(c);
	capture_destroy(c->capture);
	free(c->out);
	c->capture = NULL;
	c->out = NULL;
	c->out_len = c->out_sent = 0;
	c->stage = STAGE_IDLE;
}

void
captures_destroy(struct captures *c)
{
	if (!c)
		return;
	leave(c, "the daemon ends");
	if (c->stage == STAGE_LEAVING)
		rte_rcu_qsbr_check(c->control->dp->rcu, c->token, true);
	forget(c);
	loop_timer_free(c->timer);
	free(c);
}

/* Memory, and the workers' clock against the wall's. */
static int
prepare(struct captures *c, const struct capture_request *request)
{
	const struct dataplane *dp = c->control->dp;
	struct timespec now;

	c->out = malloc(OUT_SIZE);
	c->capture = capture_create(dp->n_workers, request->snaplen, c->first);
	if (!c->out || !c->capture) {
		forget(c);
		return -ENOMEM;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	c->wall =
	    (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - (int64_t)dp_clock_now(&dp->clock);
	c->capture->filter = request->filter;
	c->left = request->count;
	c->packets = 0;
	memset(c->received, 0, sizeof(c->received));
	return 0;
}

int
captures_start(struct captures *c, const struct capture_request *request)
{
	static const char answer[] = "{\"ok\":true,\"result\":{\"stream\":\"pcapng\"}}\n";
	int rc;

	if (c->stage != STAGE_IDLE)
		return -EBUSY;
	rc = prepare(c, request);
	if (rc < 0)
		return rc;
	c->fd = request->take(request->arg);
	if (loop_fd_add(c->control->loop, c->fd, EPOLLIN, reader_event, c) < 0) {
		close(c->fd);
		c->fd = -1;
		forget(c);
		return 0; /* the reader sees its socket close */
	}
	memcpy(c->out, answer, sizeof(answer) - 1);
	c->out_len = sizeof(answer) - 1;
	write_headers(c);
	c->stage = STAGE_RUNNING;
	c->progress_at = loop_now();
	atomic_store_explicit(&c->control->dp->capture, c->capture, memory_order_release);
	log_event(LOG_LEVEL_INFO, "capture-begin", (const char *)NULL);
	loop_timer_arm(c->timer, loop_now());
	return 0;
}

/* The rings' positions go on where they are, so that no packet takes an old record for its own. */
static void
remember_positions(struct captures *c)
{
	uint32_t i;

	for (i = 0; i < c->control->dp->n_workers; i++) {
		uint32_t next = c->capture->rings[i].next;

		if (next - c->first < UINT32_MAX / 2)
			c->first = next;
	}
}

static void
turn_by_stage(struct captures *c)
{
	reader_send(c);
	switch (c->stage) {
	case STAGE_RUNNING:
		write_records(c);
		if (!c->left)
			leave(c, "all that was asked for");
		else if (c->out_len && loop_now() - c->progress_at > PATIENCE)
			leave(c, "the reader takes nothing");
		break;
	case STAGE_LEAVING:
		if (!rte_rcu_qsbr_check(c->control->dp->rcu, c->token, false))
			break;
		remember_positions(c);
		c->stage = STAGE_DRAINING;
		break;
	case STAGE_DRAINING:
		if (!c->out_len && write_records(c)) {
			write_end(c);
			c->stage = STAGE_FLUSHING;
		}
		break;
	case STAGE_FLUSHING:
	case STAGE_IDLE:
		break;
	}
	reader_send(c);
}

static void
captures_turn(void *arg)
{
	struct captures *c = arg;

	turn_by_stage(c);
	/* In the same turn: who has the end of one capture may ask for the next. */
	if (c->stage == STAGE_FLUSHING && !c->out_len)
		reader_gone(c);
	if (c->stage > STAGE_LEAVING && c->out_len && loop_now() - c->progress_at > PATIENCE)
		reader_gone(c);
	if (c->stage > STAGE_LEAVING && c->fd < 0)
		forget(c);
	if (c->stage != STAGE_IDLE)
		loop_timer_arm(c->timer, loop_now() + PAUSE_NS);
}
