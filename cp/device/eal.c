/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting DPDK: command line from the configuration, and its errors as sentences.
 */
#include "cp/device/eal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_version.h>

#include "cp/device/ports.h"

#define REASON_SIZE 256
#define MB          (1024ull * 1024)

static struct {
	bool shown;      /* PENSTOCK_DPDK_LOG: leave everything as it is */
	char error[192]; /* the first error message since eal_quiet_begin */
	char reason[REASON_SIZE];
	int saved[2], capture; /* standard output and error, and where they go meanwhile */
} eal_log = { .saved = { -1, -1 }, .capture = -1 };

/* Whether the message only says that something failed, which the caller knows. */
static bool
eal_log_is_idle(const char *text)
{
	return strstr(text, "Driver cannot attach") || strstr(text, "Failed to attach device") ||
	       strstr(text, "multiq qdisc") || strstr(text, "qdisc kind is unknown");
}

/* Keep the first line of text without "EAL: " or "function(): " before it. */
static void
eal_log_remember(const char *text, size_t len)
{
	const char *newline = memchr(text, '\n', len);
	const char *after;
	size_t i;

	if (newline)
		len = (size_t)(newline - text);
	after = memmem(text, len, "(): ", 4);
	if (after) {
		len -= (size_t)(after + 4 - text);
		text = after + 4;
	} else if (len > 5 && memcmp(text, "EAL: ", 5) == 0) {
		text += 5;
		len -= 5;
	}
	while (len > 0 && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	while (len > 0 && (isspace((unsigned char)text[len - 1]) || text[len - 1] == '.'))
		len--;
	if (len >= sizeof(eal_log.error))
		len = sizeof(eal_log.error) - 1;
	for (i = 0; i < len; i++)
		eal_log.error[i] = text[i];
	eal_log.error[len] = '\0';
}

static ssize_t
eal_log_write(void *cookie, const char *text, size_t len)
{
	char line[192];

	(void)cookie;
	if (rte_log_cur_msg_loglevel() > (int)RTE_LOG_ERR || eal_log.error[0])
		return (ssize_t)len;
	snprintf(line, sizeof(line), "%.*s", (int)len, text);
	if (!eal_log_is_idle(line))
		eal_log_remember(line, strlen(line));
	return (ssize_t)len;
}

int
eal_log_open(void)
{
	const char *wanted = getenv("PENSTOCK_DPDK_LOG");
	FILE *stream;

	eal_log.shown = wanted && strcmp(wanted, "0") != 0;
	if (eal_log.shown)
		return 0;
	stream = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = eal_log_write });
	if (!stream)
		return -ENOMEM;
	/* DPDK flushes after each message; the level of the current message is then known. */
	return rte_openlog_stream(stream);
}

void
eal_quiet_begin(void)
{
	int fd;

	eal_log.error[0] = '\0';
	if (eal_log.shown)
		return;
	eal_log.capture = memfd_create("penstock-output", MFD_CLOEXEC);
	if (eal_log.capture < 0)
		return;
	fflush(NULL);
	for (fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		eal_log.saved[fd - 1] = dup(fd);
		if (eal_log.saved[fd - 1] >= 0)
			dup2(eal_log.capture, fd);
	}
}

/* Without an error message of DPDK's own: what was printed, by it or by a library below. */
static void
eal_log_look_at_output(void)
{
	char text[192];
	ssize_t len;

	if (eal_log.error[0] || eal_log.capture < 0)
		return;
	fflush(NULL);
	len = pread(eal_log.capture, text, sizeof(text), 0);
	if (len > 0)
		eal_log_remember(text, (size_t)len);
}

void
eal_quiet_end(void)
{
	int fd;

	if (eal_log.shown || eal_log.capture < 0)
		return;
	eal_log_look_at_output();
	fflush(NULL);
	for (fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		if (eal_log.saved[fd - 1] < 0)
			continue;
		dup2(eal_log.saved[fd - 1], fd);
		close(eal_log.saved[fd - 1]);
		eal_log.saved[fd - 1] = -1;
	}
	close(eal_log.capture);
	eal_log.capture = -1;
}

const char *
eal_log_reason(void)
{
	eal_log_look_at_output();
	if (!eal_log.error[0])
		return "";
	snprintf(eal_log.reason, sizeof(eal_log.reason), " (DPDK: %s)", eal_log.error);
	return eal_log.reason;
}

bool
eal_device_is_pci(const char *device)
{
	const char *p = device;
	int colons = 0;

	while (isxdigit((unsigned char)*p) || *p == ':') {
		colons += *p == ':';
		p++;
	}
	return colons >= 1 && colons <= 2 && *p == '.' && isdigit((unsigned char)p[1]) &&
	       (p[2] == '\0' || p[2] == ',');
}

/* ---- the command line ---- */

#define ARGV_MAX 96

struct command_line {
	char *argv[ARGV_MAX + 1];
	int argc;
};

static int __attribute__((format(printf, 2, 3)))
argument(struct command_line *line, const char *format, ...)
{
	va_list list;
	char *text;
	int len;

	if (line->argc == ARGV_MAX)
		return -E2BIG;
	va_start(list, format);
	len = vasprintf(&text, format, list);
	va_end(list);
	if (len < 0)
		return -ENOMEM;
	line->argv[line->argc++] = text;
	line->argv[line->argc] = NULL;
	return 0;
}

static int
argument_lcores(struct command_line *line, const struct dataplane_config *dp)
{
	char list[CONFIG_MAX_WORKERS * 16];
	size_t i, len;

	/* lcore 0 is the control thread; several lcores may share a CPU. */
	len = (size_t)snprintf(list, sizeof(list), "0@%u", dp->control);
	for (i = 0; i < dp->n_workers && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, ",%zu@%u", i + 1,
					dp->workers[i]);
	return argument(line, "--lcores=%s", list);
}

static bool
config_has_pci(const struct config *config)
{
	size_t i;

	for (i = 0; i < config->n_interfaces; i++)
		if (eal_device_is_pci(config->interfaces[i].device))
			return true;
	return false;
}

static int
command_line_build(struct command_line *line, const struct config *config, uint64_t memory)
{
	const struct dataplane_config *dp = &config->dataplane;
	uint64_t megabytes = (memory + MB - 1) / MB;
	int ret = 0;
	size_t i;

	ret |= argument(line, "penstockd");
	ret |= argument_lcores(line, dp);
	ret |= argument(line, "--main-lcore=0");
	ret |= argument(line, "--no-telemetry");
	ret |= argument(line, "-m");
	ret |= argument(line, "%" PRIu64, megabytes);
	if (dp->hugepages) {
		ret |= argument(line, "--in-memory");
	} else {
		/* --in-memory and --no-huge exclude each other. */
		ret |= argument(line, "--no-huge");
		ret |= argument(line, "--no-shconf");
		ret |= argument(line, "--file-prefix=penstock-%d", getpid());
	}
	if (config_has_pci(config)) {
		/* An allow list of one device that no driver takes: devices are probed one by one
		 * later, so that an error can be told apart. */
		ret |= argument(line, "--allow=0000:00:00.0");
	} else {
		ret |= argument(line, "--no-pci");
		ret |= argument(line, "--iova-mode=va");
	}
	for (i = 0; i < dp->n_eal; i++)
		ret |= argument(line, "%s", dp->eal[i]);
	return ret;
}

/* ---- hugepages ---- */

#define HUGE_2M "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define HUGE_1G "/sys/kernel/mm/hugepages/hugepages-1048576kB/"

static uint64_t
read_number(const char *path)
{
	FILE *file = fopen(path, "r");
	uint64_t n = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64, &n) != 1)
		n = 0;
	fclose(file);
	return n;
}

/* Memory that DPDK would not find is refused here, where the mend can be told. */
static int
check_hugepages(const struct dataplane_config *dp, uint64_t memory, char *error, size_t error_size)
{
	uint64_t free_2m = read_number(HUGE_2M "free_hugepages");
	uint64_t total_2m = read_number(HUGE_2M "nr_hugepages");
	uint64_t free_1g = read_number(HUGE_1G "free_hugepages");
	uint64_t needed = (memory + 2 * MB - 1) / (2 * MB);
	uint64_t there = free_2m + free_1g * 512;
	char size[UNITS_STRLEN];

	if (there >= needed)
		return 0;
	snprintf(error, error_size,
		 "dataplane.memory = \"%s\" needs %" PRIu64
		 " free hugepages of 2 MB, but %s%" PRIu64
		 " %s: run 'sysctl vm.nr_hugepages=%" PRIu64
		 "', or set dataplane.memory lower, or dataplane.hugepages = false",
		 size_format(dp->memory, size), needed, there ? "only " : "", there,
		 there == 1 ? "is free" : "are free", total_2m + needed - there);
	return -ENOMEM;
}

static void
explain_init_failure(const struct config *config, int err, char *error, size_t error_size)
{
	const struct dataplane_config *dp = &config->dataplane;

	if ((err == EACCES || err == EPERM) && geteuid() != 0) {
		snprintf(error, error_size,
			 "DPDK cannot start without permission: run penstockd as root%s",
			 eal_log_reason());
		return;
	}
	if (err == ENOMEM && dp->hugepages) {
		snprintf(error, error_size,
			 "DPDK cannot get its memory: set vm.nr_hugepages higher, or "
			 "dataplane.memory lower, or dataplane.hugepages = false%s",
			 eal_log_reason());
		return;
	}
	snprintf(error, error_size, "DPDK cannot start%s%s", eal_log_reason(),
		 dp->n_eal ? "; check dataplane.eal" : "");
}

int
ports_eal_init(const struct config *config, uint64_t elsewhere, char *error, size_t error_size)
{
	uint64_t memory = config->dataplane.memory - elsewhere;
	struct command_line line = { 0 };
	char *kept[ARGV_MAX + 1];
	int ret, err, i;

	ret = config->dataplane.hugepages
		  ? check_hugepages(&config->dataplane, memory, error, error_size)
		  : 0;
	if (ret)
		return ret;
	if (command_line_build(&line, config, memory) != 0 || eal_log_open() != 0) {
		snprintf(error, error_size,
			 "cannot start DPDK: no memory, or too many arguments in dataplane.eal");
		return -ENOMEM;
	}
	/* rte_eal_init permutes its argv and keeps no pointer into it. */
	memcpy(kept, line.argv, sizeof(kept));
	eal_quiet_begin();
	ret = rte_eal_init(line.argc, line.argv);
	err = rte_errno;
	eal_quiet_end();
	for (i = 0; i < line.argc; i++)
		free(kept[i]);
	/* Nothing is kept there without shared configuration, but DPDK makes the folder. */
	rmdir(rte_eal_get_runtime_dir());
	if (ret >= 0)
		return 0;
	explain_init_failure(config, err, error, error_size);
	return err > 0 ? -err : -EIO;
}
