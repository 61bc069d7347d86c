/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build/sim: two stacks over a simulated link, one run for each seed.
 *
 *     sim [--seeds N] [--first N] [--jobs N] [--regressions FILE]   many runs; ends with N passed,
 *                                                                   N failed
 *     sim --seed N [--trace]                                        one run
 *     --until-failed: the first failure ends it
 *
 * Each job is a process of its own: a run that crashes is a failed seed, and the next ones go on in
 * a new process.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/run.h"

#define MAX_JOBS  64
#define HUNG      120 /* seconds of real time for one run */
#define MAX_SHOWN 20

/* What a job says of itself to the parent, in memory that both see. */
struct job {
	uint64_t next; /* index of the run that it is at */
	uint64_t passed, failed, segments, bytes, virtual_ns;
	pid_t pid;
};

struct options {
	uint64_t first, seeds;
	uint64_t *listed; /* regressions */
	size_t n_listed;
	unsigned int jobs;
	bool one, trace, until_failed;
};

static uint64_t
seed_of(const struct options *o, uint64_t i)
{
	return i < o->n_listed ? o->listed[i] : o->first + (i - o->n_listed);
}

static void
say_failed(uint64_t seed, const char *why, uint64_t before)
{
	if (before < MAX_SHOWN) {
		printf("FAIL seed %llu: %s\n", (unsigned long long)seed, why);
		printf("     again: build/sim --seed %llu --trace\n", (unsigned long long)seed);
	}
	fflush(stdout);
}

static void
work(const struct options *o, struct job *j, unsigned int step)
{
	struct run_result result;
	uint64_t n = o->n_listed + o->seeds;

	for (; j->next < n; j->next += step) {
		alarm(HUNG);
		run_seed(seed_of(o, j->next), false, &result);
		j->segments += result.segments;
		j->bytes += result.bytes;
		j->virtual_ns += result.virtual_ns;
		if (!result.failed) {
			j->passed++;
			continue;
		}
		say_failed(seed_of(o, j->next), result.why, j->failed);
		j->failed++;
		if (o->until_failed)
			break;
	}
	exit(0);
}

static void
begin(const struct options *o, struct job *j)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid == 0)
		work(o, j, o->jobs);
	j->pid = pid; /* the parent's word: the new process has the same memory */
}

/* A job that was killed: its seed has failed; a new process goes on behind it. */
static void
died(const struct options *o, struct job *j, int status)
{
	char why[64];

	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "%s",
			 WTERMSIG(status) == SIGALRM ? "it does not come to an end"
						     : strsignal(WTERMSIG(status)));
	else
		snprintf(why, sizeof(why), "exit %d", WEXITSTATUS(status));
	say_failed(seed_of(o, j->next), why, j->failed);
	j->failed++;
	j->next += o->jobs;
	if (!o->until_failed && j->failed < MAX_SHOWN)
		begin(o, j);
	else
		j->pid = 0;
}

static void
wait_all(const struct options *o, struct job *jobs)
{
	int status;
	pid_t pid;

	while ((pid = wait(&status)) > 0 || errno == EINTR) {
		for (unsigned int i = 0; i < o->jobs; i++) {
			if (jobs[i].pid != pid)
				continue;
			if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
				jobs[i].pid = 0;
			else
				died(o, &jobs[i], status);
		}
	}
}

static int
many(const struct options *o)
{
	struct job *jobs = mmap(NULL, MAX_JOBS * sizeof(*jobs), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct job sum = { 0 };
	struct timespec from, to;

	if (jobs == MAP_FAILED)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (unsigned int i = 0; i < o->jobs; i++) {
		jobs[i].next = i;
		begin(o, &jobs[i]);
	}
	wait_all(o, jobs);
	clock_gettime(CLOCK_MONOTONIC, &to);
	for (unsigned int i = 0; i < o->jobs; i++) {
		sum.passed += jobs[i].passed;
		sum.failed += jobs[i].failed;
		sum.segments += jobs[i].segments;
		sum.bytes += jobs[i].bytes;
		sum.virtual_ns += jobs[i].virtual_ns;
	}
	printf("%llu segments, %.1f MB, %.1f hours of virtual time in %.1f s\n",
	       (unsigned long long)sum.segments, (double)sum.bytes / 1e6,
	       (double)sum.virtual_ns / 3600e9,
	       (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
	printf("%llu passed, %llu failed\n", (unsigned long long)sum.passed,
	       (unsigned long long)sum.failed);
	return sum.failed || !sum.passed;
}

static int
one(const struct options *o)
{
	struct run_result result;

	setvbuf(stdout, NULL, _IOLBF, 0);
	run_seed(o->first, o->trace, &result);
	printf("seed %llu: %s (%llu segments, %.3f s of virtual time)\n",
	       (unsigned long long)o->first, result.failed ? result.why : "ok",
	       (unsigned long long)result.segments, (double)result.virtual_ns / 1e9);
	return result.failed;
}

/* One seed a line; what follows a # is for people. */
static void
read_regressions(struct options *o, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[256], *end;
	uint64_t seed;

	if (!file) {
		perror(path);
		exit(2);
	}
	while (fgets(line, sizeof(line), file)) {
		seed = strtoull(line, &end, 10);
		if (end == line)
			continue;
		o->listed = realloc(o->listed, (o->n_listed + 1) * sizeof(*o->listed));
		if (!o->listed)
			abort();
		o->listed[o->n_listed++] = seed;
	}
	fclose(file);
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "seeds", required_argument, NULL, 'n' },
		{ "first", required_argument, NULL, 'f' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "regressions", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 's' },
		{ "trace", no_argument, NULL, 't' },
		{ "until-failed", no_argument, NULL, 'u' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'n':
			o->seeds = strtoull(optarg, NULL, 10);
			break;
		case 's':
			o->one = true; /* fall through */
		case 'f':
			o->first = strtoull(optarg, NULL, 10);
			break;
		case 'j':
			o->jobs = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			read_regressions(o, optarg);
			break;
		case 't':
			o->trace = true;
			break;
		case 'u':
			o->until_failed = true;
			break;
		default:
			exit(2);
		}
	}
}

int
main(int argc, char **argv)
{
	struct options o = { .first = 1,
			     .seeds = 1000,
			     .jobs = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN) };
	int result;

	parse_options(&o, argc, argv);
	if (o.jobs < 1 || o.jobs > MAX_JOBS)
		o.jobs = 1;
	result = o.one ? one(&o) : many(&o);
	free(o.listed);
	return result;
}
