/* SPDX-License-Identifier: Apache-2.0 */
/* An address as sockets want it. No state: any thread. */
#ifndef CP_SOCKET_ADDRESS_H
#define CP_SOCKET_ADDRESS_H

#include <stdint.h>
#include <sys/socket.h>

#include "lib/addr.h"

/* Fills *out; its length. The port in host byte order. */
socklen_t socket_address(const struct addr *addr, uint16_t port, struct sockaddr_storage *out);

#endif
