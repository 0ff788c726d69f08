"""An executor that says much that is wrong before it does its work; what was answered goes to its framework."""

import base64
import http.client
import json
import os
import time
import uuid

JSON = {"Content-Type": "application/json", "Accept": "application/json"}
MAX_CALL_BYTES = 8 << 20
own = {
    "framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
    "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]},
}
wrong = []


def ask(body, headers=JSON, method="POST"):
    connection = http.client.HTTPConnection(os.environ["MESOS_AGENT_ENDPOINT"], timeout=30)
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, "/api/v1/executor", body, headers)
    return connection.getresponse()


def expect(status, *arguments, **more):
    try:
        answer = ask(*arguments, **more)
        if answer.status != status:
            wrong.append("%s, not %s: %s" % (answer.status, status, answer.read().decode()))
    except (BrokenPipeError, ConnectionResetError):
        # Too large a body may be refused before all of it is read.
        if status != 413:
            raise


def update(task, state="TASK_FINISHED", **more):
    status = dict({
        "task_id": {"value": task}, "state": state, "source": "SOURCE_EXECUTOR",
        "uuid": base64.b64encode(uuid.uuid4().bytes).decode(), "timestamp": time.time(),
        "executor_id": own["executor_id"],
    }, **more)
    status = {key: value for key, value in status.items() if value is not None}
    return dict(own, type="UPDATE", update={"status": status})


def message(text):
    data = base64.b64encode(text.encode()).decode()
    return dict(own, type="MESSAGE", message={"data": data})


expect(403, update("lie"))
expect(403, message("not yet"))

stream = ask(dict(own, type="SUBSCRIBE",
                  subscribe={"unacknowledged_tasks": [], "unacknowledged_updates": []}))
task = None
while task is None:
    event = json.loads(stream.read(int(stream.readline())))
    if event["type"] == "LAUNCH":
        task = event["launch"]["task"]

expect(405, b"", method="GET")
expect(400, update("lie"), headers={})
expect(415, update("lie"), headers=dict(JSON, **{"Content-Type": "text/plain"}))
expect(400, b"{")
expect(400, b"\xff\xfe")
expect(400, dict(own, type="UPDATE"))
expect(501, dict(own, type="NEVER_HEARD_OF"))
expect(400, update("lie", uuid=None))
expect(400, update("lie", uuid=base64.b64encode(b"short").decode()))
expect(400, update("lie", source="SOURCE_MASTER"))
expect(400, update("lie", state="TASK_STAGING"))
expect(400, update("lie", executor_id={"value": "another"}))
expect(413, b" " * (MAX_CALL_BYTES + 1))
foreign = {"value": "F1-999"}
for call in (update("lie"), message("foreign")):
    answer = ask(dict(call, framework_id=foreign))
    if not 400 <= answer.status < 500:
        wrong.append("another framework's: %s" % answer.status)
    answer = ask(dict(call, executor_id={"value": "nobody"}))
    if not 400 <= answer.status < 500:
        wrong.append("another executor's: %s" % answer.status)
# Taken note of, and told to nobody.
expect(202, update("none-of-mine"))

expect(202, update("lie", state="TASK_RUNNING"))
expect(202, message("; ".join(wrong) or "all refused"))
expect(202, update("lie"))
time.sleep(60)
