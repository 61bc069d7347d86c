/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network namespace of the test's own with two ports, wan (AF_XDP) and lan (AF_PACKET), each over
 * a veth pair whose other end, peer-wan and peer-lan, is in the namespace of a second process. The
 * real event loop, network and twins; instead of workers one core that carries every frame to the
 * twin and back. One thread; one fixture a process, because there is one EAL.
 */
#ifndef TESTS_CONTROL_FIXTURE_H
#define TESTS_CONTROL_FIXTURE_H

#include <stdbool.h>

#include "cp/config/config.h"
#include "cp/loop.h"
#include "cp/net/network.h"
#include "cp/net/twin.h"
#include "dp/worker.h"

struct fixture {
	struct loop *loop;
	struct network *network;
	struct twins *twins;
	struct dataplane dp;
	struct config *config;
	unsigned int changes; /* calls of network_changed_fn */
	char error[512];      /* of the last thing that failed */
};

extern struct fixture fixture;

/* Namespaces, devices, EAL; ends the process if that is not possible here. */
void fixture_begin(void);
void fixture_end(void);

/* Open the ports, make network and twins. False: see fixture.error. */
bool fixture_start(const char *config_text);
void fixture_stop(void);
/* Parse and hand over a configuration while it runs. */
bool fixture_apply(const char *config_text);
struct config *fixture_parse(const char *text);

/* A shell command here, or where the peers are; true if it succeeds. The loop runs meanwhile. */
bool here(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool peer(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Run the loop until the condition holds, at most so many milliseconds. */
bool run_until(bool (*condition)(void *arg), void *arg, unsigned int ms);
void run_for(unsigned int ms);

const struct network_neighbour *neighbour(const char *addr);
const struct network_route *route(const char *prefix);

/* A configuration: the two interfaces with further settings of each, and further sections. */
const char *config_text(const char *wan, const char *lan, const char *rest);

int test_ports_register(void);
int test_twin_device_register(void);
int test_twin_register(void);
int test_network_register(void);

#endif
