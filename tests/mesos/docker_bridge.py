"""A task in a Docker container on a bridge is told with the address that it has there.

    docker_bridge.py HOST:PORT IMAGE"""

import os
import sys

from framework import Framework, command, equal

framework = Framework("docker bridge")
shared = os.path.abspath("bridge")
os.mkdir(shared)
container = {
    "type": "DOCKER",
    "docker": {"image": sys.argv[2], "network": "BRIDGE"},
    "volumes": [{"host_path": shared, "container_path": "/shared", "mode": "RW"}],
}
line = "hostname -i > /shared/new; mv /shared/new /shared/own; "
line += "until [ -e /shared/go ]; do sleep 0.1; done"
framework.launch(framework.offer(), command("web", line, container=container))
_, parent, executor, addresses = framework.place("web")
framework.wait("its own word", lambda: os.path.exists(shared + "/own"))
with open(shared + "/own") as own:
    equal(addresses, own.read().split())
equal((parent, executor), (None, "web"))
open(shared + "/go", "w").close()
framework.until("web", "TASK_FINISHED")
framework.stop()
