/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tls/engine.h"

#include <errno.h>
#include <intel-ipsec-mb.h>

int
tls_engine_open(struct tls_engine *engine)
{
	IMB_ARCH arch = IMB_ARCH_NONE;
	IMB_MGR *m = alloc_mb_mgr(0);

	engine->imb = m;
	if (!m)
		return -ENOMEM;
	init_mb_mgr_auto(m, &arch);
	if (arch >= IMB_ARCH_SSE && imb_get_errno(m) == 0 && (m->features & IMB_FEATURE_AESNI) &&
	    (!(m->features & IMB_FEATURE_SELF_TEST) || (m->features & IMB_FEATURE_SELF_TEST_PASS)))
		return 0;
	tls_engine_close(engine);
	return -ENOTSUP;
}

void
tls_engine_close(struct tls_engine *engine)
{
	if (engine->imb)
		free_mb_mgr(engine->imb);
	engine->imb = 0;
}
