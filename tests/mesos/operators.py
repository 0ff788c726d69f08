"""What an operator calls, by POST /api/v1."""

import json
import sys
import urllib.error
import urllib.request


def call(kind, **fields):
    """The status and the answer of a call."""
    body = {"type": kind, kind.lower(): fields} if fields else {"type": kind}
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    url = "http://%s/api/v1" % sys.argv[1]
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            return answer.status, json.loads(text)[kind.lower()] if text else None
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
