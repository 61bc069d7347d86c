/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A piece of memory with a name that outlives the process: a file on hugetlbfs, or on the tmpfs
 * /dev/shm. Whoever has it open holds a lock on it. All of its memory is there from the beginning,
 * so that no access can fail later. Control thread.
 */
#ifndef CP_STATE_SHARED_FILE_H
#define CP_STATE_SHARED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARED_FILE_PATH_MAX 512

/* Where files of this kind may lie. */
struct shared_place {
	char dir[256];
	size_t page; /* bytes; 0: there is no such place */
	bool huge;
};

struct shared_file {
	char path[SHARED_FILE_PATH_MAX];
	int fd; /* -1: not open */
	uint8_t *base;
	size_t size;
};

/* The mounted hugetlbfs with the smallest pages; /dev/shm. */
struct shared_place shared_place_huge(void);
struct shared_place shared_place_tmpfs(void);

/* Open what is there. 0, -ENOENT, -EBUSY (somebody has it open), -EPERM (not ours alone), -EMSGSIZE
 * (of another size; then it is not open), or what the system says. */
int shared_file_open(struct shared_file *f, const struct shared_place *place, const char *name,
		     size_t size);
/* Make a new one, all zero, whatever was there. 0, -EBUSY, -ENOMEM (no room in the place), ... */
int shared_file_create(struct shared_file *f, const struct shared_place *place, const char *name,
		       size_t size);
/* Ask for the memory from `at` on to lie near a CPU; before it is used. */
void shared_file_near(struct shared_file *f, size_t at, size_t size, unsigned int cpu);
/* Take the memory that was promised; 0 or -ENOMEM. */
int shared_file_populate(struct shared_file *f);
/* The memory stays. */
void shared_file_close(struct shared_file *f);
/* Remove one that nobody has open, or that is not ours. */
void shared_file_remove(const struct shared_place *place, const char *name);

#endif
