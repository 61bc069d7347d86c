/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A captured packet's verdict in words, for people who look at the file. Control thread only.
 */
#ifndef CP_CAPTURE_COMMENT_H
#define CP_CAPTURE_COMMENT_H

#include <stdint.h>

#include "dp/capture.h"

#define COMMENT_SIZE 256

/* "worker 1, service web, forwarded to 10.2.0.11:8080"; service may be NULL. Returns buf. */
const char *capture_comment(const struct capture_record *r, uint32_t worker, const char *service,
			    char buf[COMMENT_SIZE]);

#endif
