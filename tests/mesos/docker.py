"""A task in a Docker container; the image is the test's own."""

import sys

from framework import Framework, command

framework = Framework("docker")
container = {"type": "DOCKER", "docker": {"image": sys.argv[2], "network": "NONE"}}
line = '[ "$(cat /marker)" = "in the image" ] && [ "$FOO" = bar ]'
offer = framework.offer()
framework.launch(
    offer,
    command("inside", line, {"FOO": "bar"}, container=container),
    command("outside", "[ ! -e /marker ]"),
)
framework.until("inside", "TASK_FINISHED")
framework.until("outside", "TASK_FINISHED")
framework.stop()
