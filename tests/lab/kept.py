# SPDX-License-Identifier: Apache-2.0
"""What penstockd keeps outside of its state directory for its next start: the memory of its connections."""
import glob
import os


def forget(folder):
    """Remove what belongs to state directories below this folder; before it is removed itself."""
    for place in ("/dev/shm", "/dev/hugepages"):
        for path in glob.glob(place + "/penstock" + os.path.realpath(folder).replace("/", "-") + "-*"):
            os.unlink(path)
