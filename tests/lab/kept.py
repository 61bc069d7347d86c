# SPDX-License-Identifier: Apache-2.0
"""What a penstockd keeps outside of its state directory for its next start: the memory of its connections."""
import os


def forget(state):
    """Remove what belongs to this state directory; before it is removed itself."""
    for place in ("/dev/shm", "/dev/hugepages"):
        try:
            os.unlink(place + "/penstock" + os.path.realpath(state).replace("/", "-"))
        except OSError:
            pass
