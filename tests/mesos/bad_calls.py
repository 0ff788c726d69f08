"""What is wrong is refused with Mesos' codes (src/master/http.cpp)."""

import http.client
import json
import sys
import uuid

from framework import equal

JSON = {"Content-Type": "application/json", "Accept": "application/json"}
MAX_CALL_BYTES = 32 << 20
INFO = {"user": "root", "name": "bad calls", "failover_timeout": 3600.0}


def ask(body, headers=JSON, method="POST", path="/api/v1/scheduler"):
    """The answer, with its body unread."""
    connection = http.client.HTTPConnection(sys.argv[1], timeout=30)
    body = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    connection.request(method, path, body, headers)
    return connection.getresponse()


def code(*arguments, **more):
    answer = ask(*arguments, **more)
    return answer.status, answer.read().decode()


def refused(status, words, *arguments, **more):
    got, text = code(*arguments, **more)
    assert got == status and words in text, (status, words, got, text)


subscribe = {"type": "SUBSCRIBE", "subscribe": {"framework_info": INFO}}
stream = ask(subscribe)
equal((stream.status, stream.getheader("Content-Type")), (200, "application/json"))
stream_id = stream.getheader("Mesos-Stream-Id")
length = int(stream.readline())
event = json.loads(stream.read(length))
equal(event["type"], "SUBSCRIBED")
framework_id = event["subscribed"]["framework_id"]
ours = dict(JSON, **{"Mesos-Stream-Id": stream_id})


def call(kind, **more):
    return dict(type=kind, framework_id=framework_id, **more)


equal(code(call("REVIVE"), ours)[0], 202)

refused(405, "", None, method="GET")
refused(400, "", subscribe, {})
refused(415, "", subscribe, {"Content-Type": "text/plain"})
refused(406, "", subscribe, dict(JSON, Accept="text/html"))
refused(400, "", b"{", JSON)
refused(400, "framework_id", {"type": "REVIVE"}, ours)
refused(400, "Mesos-Stream-Id", subscribe, ours)
refused(400, "Mesos-Stream-Id", call("REVIVE"), JSON)
foreign = dict(JSON, **{"Mesos-Stream-Id": str(uuid.uuid4())})
refused(400, "stream ID", call("REVIVE"), foreign)
refused(400, "", dict(call("REVIVE"), framework_id={"value": "F1-999"}), ours)
refused(501, "", call("NEVER_HEARD_OF"), ours)
refused(400, "", call("KILL"), ours)
equal(code(b" " * (MAX_CALL_BYTES + 1), ours)[0], 413)
# None of it has ended the stream.
equal(code(call("REVIVE"), ours)[0], 202)

# Not subscribed: known, but its stream is closed.
stream.close()
while True:
    status, text = code(call("REVIVE"), ours)
    if status != 202:
        break
equal(status, 403)
again = ask(dict(subscribe, framework_id=framework_id,
                 subscribe={"framework_info": dict(INFO, id=framework_id)}))
equal(again.status, 200)
ours["Mesos-Stream-Id"] = again.getheader("Mesos-Stream-Id")
equal(code(call("TEARDOWN"), ours)[0], 202)

# The stream of a framework that has torn itself down ends without an error.
told = b"".join(iter(lambda: again.read1(65536), b""))
assert b"SUBSCRIBED" in told and b'"ERROR"' not in told, told
