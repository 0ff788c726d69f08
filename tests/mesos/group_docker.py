"""A group of which one task runs in a Docker container: both see a directory of their executor's sandbox."""

import sys

from framework import Framework
from groups import executor, failure, launch_group, shared, small

framework = Framework("group docker")
image = {"type": "DOCKER", "docker": {"name": sys.argv[2]}, "cached": True}
inside = {"type": "MESOS", "mesos": {"image": image}, "volumes": [shared("common", "/common")]}
outside = {"type": "MESOS", "volumes": [shared("common", "common")]}
launch_group(
    framework, executor(framework, "mixed"),
    small("image", "cat /marker > /common/file; while true; do sleep 1; done", container=inside),
    small("process", 'until grep "in the image" common/file; do sleep 0.1; done; exit 4',
          container=outside))
# And they end together.
framework.until("process", "TASK_FAILED")
framework.until("image", "TASK_KILLED")
assert failure(framework, "mixed") == 0
framework.stop()
