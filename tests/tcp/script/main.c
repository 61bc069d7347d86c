/* SPDX-License-Identifier: Apache-2.0 */
/* Plays all scripts; prints each line that did not come true; ends with `N passed, N failed`. */
#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <stdio.h>
#include <string.h>

#include "tests/tcp/script/suites.h"

static int (*const registers[])(void) = {
	test_open_register,   test_transfer_register, test_loss_register,
	test_close_register,  test_attack_register,   test_budget_register,
	test_flight_register, test_cookie_register,   test_coalesce_register,
};

static void
print_failures(CU_pFailureRecord f)
{
	for (; f; f = f->pNext)
		printf("FAIL %s (%s:%u: %s)\n", f->pTest ? f->pTest->pName : "?", f->strFileName,
		       f->uiLineNumber, f->strCondition);
}

/* Only tests whose names contain the word. */
static void
select_tests(const char *word)
{
	CU_pTestRegistry registry = CU_get_registry();

	for (CU_pSuite suite = registry->pSuite; suite; suite = suite->pNext)
		for (CU_pTest test = suite->pTest; test; test = test->pNext)
			CU_set_test_active(test, strstr(test->pName, word) != NULL);
	CU_set_fail_on_inactive(CU_FALSE);
}

int
main(int argc, char **argv)
{
	unsigned int run, failed;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		if (registers[i]() != CUE_SUCCESS) {
			fprintf(stderr, "scripts: %s\n", CU_get_error_msg());
			return 1;
		}
	}
	if (argc > 1)
		select_tests(argv[1]);
	CU_run_all_tests();
	print_failures(CU_get_failure_list());
	run = CU_get_number_of_tests_run();
	failed = CU_get_number_of_tests_failed() + CU_get_number_of_suites_failed();
	printf("%u passed, %u failed\n", run - CU_get_number_of_tests_failed(), failed);
	CU_cleanup_registry();
	return failed > 0 || run == 0;
}
