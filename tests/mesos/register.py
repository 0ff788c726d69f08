"""Registers, and is told the master's version and itself by the operator API."""

from framework import Framework, equal
from pymesos import MesosOperatorMasterDriver

import sys

framework = Framework("register")
equal(framework.registrations, ["registered"])
equal(framework.master["version"], "1.11.0")
offer = framework.offer()
assert offer["agent_id"]["value"] and offer["hostname"], offer
equal({r["name"] for r in offer["resources"]} >= {"cpus", "mem", "disk", "ports"}, True)

operator = MesosOperatorMasterDriver(sys.argv[1])
equal(operator.getHealth()["get_health"]["healthy"], True)
equal(operator.getVersion()["get_version"]["version_info"]["version"], "1.11.0")
frameworks = operator.getFrameworks()["get_frameworks"]["frameworks"]
equal([f["framework_info"]["id"]["value"] for f in frameworks], [framework.id])
equal(len(operator.getAgents()["get_agents"]["agents"]), 1)
framework.stop()
equal(operator.getFrameworks()["get_frameworks"].get("frameworks", []), [])
