/* SPDX-License-Identifier: Apache-2.0 */
/* dp/tls/receive: messages of handshakes that come when the handshake is over, in records that are
 * cut as OpenSSL would not cut them. */
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/tls/internal.h"
#include "suites.h"
#include "tls_world.h"

/* A record as the peer would seal it next. */
static void
say_record(struct tls_world *w, struct tls_keys *keys, uint8_t type, const void *bytes, uint32_t n)
{
	struct tls_slot slot = { 0 };
	struct tls_schedules schedules = tls_schedules_of(&w->engine, &slot, 1);
	struct tls_side side = { keys, &schedules };
	uint8_t record[TLS_HEADER + 64 + TLS_TAIL_MAX];
	struct tls_piece piece = { bytes, record + TLS_HEADER, n };
	struct tls_seal seal = { &piece, 1, 0, type, record, record + TLS_HEADER + n };

	CU_ASSERT_EQUAL(tls_seal(&side, &seal), TLS_OK);
	tls_world_say(w, record, TLS_HEADER + n + TLS_TAIL_MAX);
}

#define UPDATE "\x18\0\0\x01\0"
#define TICKET         \
	"\x04\0\0\x03" \
	"abc"
#define SAYS(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}
static const struct {
	bool to_backend, is_bad;
	struct {
		const char *bytes;
		uint32_t n;
	} records[5];
	uint32_t content; /* before this one there is some; 0: there is none */
} cuts[] = {
	{ .records = { SAYS(UPDATE) } },
	{ .records = { SAYS("\x18"), SAYS("\0\0\x01\0") } },
	{ .records = { SAYS("\x18\0\0\x01"), SAYS("\0") } },
	{ .records = { SAYS("\x18"), SAYS("\0"), SAYS("\0"), SAYS("\x01"), SAYS("\0") } },
	{ .to_backend = true, .records = { SAYS(TICKET UPDATE) } },
	{ .to_backend = true,
	  .records = { SAYS(TICKET TICKET), SAYS(TICKET "\x18"), SAYS("\0\0\x01\0") } },
	{ .to_backend = true,
	  .records = { SAYS("\x04\0"),
		       SAYS("\0\x03"
			    "a"),
		       SAYS("bc" UPDATE) } },
	/* The keys are others behind it, in the middle of a record. */
	{ .is_bad = true, .records = { SAYS(UPDATE "\x18") } },
	{ .is_bad = true, .records = { SAYS(UPDATE UPDATE) } },
	{ .is_bad = true, .to_backend = true, .records = { SAYS(UPDATE TICKET) } },
	{ .is_bad = true, .records = { SAYS("\x18\0"), SAYS("\0\x01\0\0") } },
	/* Other records are between its pieces. */
	{ .is_bad = true, .records = { SAYS("\x18"), SAYS("\0\0\x01\0") }, .content = 1 },
	{ .is_bad = true,
	  .to_backend = true,
	  .records = { SAYS("\x04\0\0\x03"
			    "a"),
		       SAYS("bc") },
	  .content = 1 },
	/* What it may not be. */
	{ .is_bad = true, .records = { SAYS(TICKET) } },
	{ .is_bad = true, .records = { SAYS("\x08\0\0\x01\0") } },
	{ .is_bad = true, .records = { SAYS("\x18\0\0\x02\0\0") } },
	{ .is_bad = true, .records = { SAYS("\x18\0\0\x01\x02") } },
	{ .is_bad = true, .to_backend = true, .records = { SAYS("\x04\x01\0\x01") } },
};

/* Messages of handshakes may be cut into records in any way (RFC 8446 5.1), but for new keys, which
 * are a record's end. */
static void
test_messages(void)
{
	size_t i, j;

	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		struct tls_world_plan plan = { .version = TLS1_3_VERSION,
					       .to_backend = cuts[i].to_backend,
					       .wire = { .seed = i + 1, .ip6 = i & 1 } };
		struct tls_world *w = tls_world_create(&plan);
		const struct tls_counters *c = tls_world_counters(w);
		struct tls_keys keys;
		uint64_t before;

		tls_world_open(w);
		CU_ASSERT(tls_world_shake(w) && tls_world_talk(w, 10, 10));
		keys = proxy_tls(worker_proxy(w->f->worker))->streams[0].receive;
		before = c->bytes_in;
		for (j = 0; j < 5 && cuts[i].records[j].n; j++) {
			if (j > 0 && j == cuts[i].content)
				say_record(w, &keys, TLS_APPLICATION_DATA, "x", 1);
			say_record(w, &keys, TLS_HANDSHAKE, cuts[i].records[j].bytes,
				   cuts[i].records[j].n);
		}
		tls_keys_update(&keys, &w->engine);
		say_record(w, &keys, TLS_APPLICATION_DATA, "content", 7);
		tls_world_steps(w, 10);
		CU_ASSERT_EQUAL(c->records_bad, cuts[i].is_bad);
		CU_ASSERT_EQUAL(c->error[TLS_BAD_TYPE], cuts[i].is_bad);
		CU_ASSERT_EQUAL(c->bytes_in, before + (cuts[i].is_bad ? 0 : 7));
		tcp_abort(w->wire.peers[w->secure].tcp, w->ends[w->secure].handle);
		tls_world_steps(w, 40000);
		CU_ASSERT_EQUAL(tls_streams(proxy_tls(worker_proxy(w->f->worker))), 0);
		tls_world_destroy(w);
	}
}

int
test_tls_messages_register(void)
{
	CU_TestInfo tests[] = {
		{ "cut in all ways", test_messages },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "tls messages", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
