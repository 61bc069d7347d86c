/* SPDX-License-Identifier: Apache-2.0 */
/* The control side against a real kernel; ends with `N passed, N failed`. Needs root. */
#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/control/fixture.h"

static int (*const registers[])(void) = {
	test_ports_register,
	test_twin_register,
	test_twin_device_register,
	test_network_register,
};

int
main(void)
{
	unsigned int run, failed;
	CU_pFailureRecord f;
	size_t i;

	fixture_begin();
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	for (i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		if (registers[i]() != CUE_SUCCESS)
			return 1;
	CU_run_all_tests();
	for (f = CU_get_failure_list(); f; f = f->pNext)
		printf("%s:%u: %s, %s: %s\n", f->strFileName, f->uiLineNumber,
		       f->pSuite ? f->pSuite->pName : "?", f->pTest ? f->pTest->pName : "?",
		       f->strCondition);
	run = CU_get_number_of_tests_run();
	failed = CU_get_number_of_tests_failed() + CU_get_number_of_suites_failed();
	printf("%u passed, %u failed\n", run - CU_get_number_of_tests_failed(), failed);
	CU_cleanup_registry();
	fixture_end();
	return failed > 0 || run == 0;
}
