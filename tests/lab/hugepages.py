# SPDX-License-Identifier: Apache-2.0
"""What the machine has of hugepages: a penstockd that starts in them is spared thousands of page faults."""


def free_mb():
    with open("/proc/meminfo", encoding="ascii") as file:
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in file}
    return sizes.get("HugePages_Free", 0) * sizes.get("Hugepagesize", 0) // 1024


def hugetlbfs_is_mounted():
    with open("/proc/mounts", encoding="ascii") as file:
        return any(line.split()[2] == "hugetlbfs" for line in file)
