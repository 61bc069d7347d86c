/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request on the admin socket may ask for at most: penstock says so before it asks, and
 * penstockd refuses whoever else asks for more. Constants.
 */
#ifndef LIB_REQUEST_H
#define LIB_REQUEST_H

#define REQUEST_LIMIT_MAX   100000                  /* rows of show connections, show clients */
#define REQUEST_SNAPLEN_MAX 9216                    /* bytes of a captured packet */
#define REQUEST_LENGTH_MAX  65535                   /* bytes of an explained packet */
#define REQUEST_WEIGHT_MAX  65535                   /* of a backend */
#define REQUEST_CONFIRM_MIN 1000000000ull           /* ns, "1s" */
#define REQUEST_CONFIRM_MAX (24 * 3600000000000ull) /* ns, "24h" */

#endif
