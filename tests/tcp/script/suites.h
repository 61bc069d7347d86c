/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of the scripts; each registers its tables with CUnit and returns its error code. */
#ifndef TESTS_TCP_SCRIPT_SUITES_H
#define TESTS_TCP_SCRIPT_SUITES_H

int test_open_register(void);
int test_transfer_register(void);
int test_loss_register(void);
int test_close_register(void);
int test_attack_register(void);
int test_budget_register(void);
int test_flight_register(void);
int test_cookie_register(void);
int test_coalesce_register(void);

#endif
