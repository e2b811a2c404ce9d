# SPDX-License-Identifier: Apache-2.0
"""The collector's HTTP API, asked from inside a node."""

import http.client
import json


class Api:
    """One kept-alive connection at a time; sockets are made in stock, since each takes a process."""

    STOCK = 8

    def __init__(self, lab, node, address, port, token):
        self.lab = lab
        self.node = node
        self.where = (address, port)
        self.sockets = []
        self.connection = None
        self.headers = {}
        self.token = token

    def _connect(self):
        if not self.sockets:
            self.sockets = self.lab.sockets(self.node, *["AF_INET:SOCK_STREAM"] * self.STOCK)
        made = self.sockets.pop()
        made.settimeout(5)
        try:
            made.connect(self.where)
        except OSError:
            made.close()
            raise
        self.connection = http.client.HTTPConnection(*self.where)
        self.connection.sock = made

    def request(self, method, path, body=None, kind="application/x-ndjson"):
        """(status, body text). OSError when the collector does not answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = kind
        for is_last in (False, True):
            is_reused = self.connection is not None
            try:
                if not is_reused:
                    self._connect()
                self.connection.request(method, path, body=body, headers=headers)
                reply = self.connection.getresponse()
                self.headers = reply.headers
                return reply.status, reply.read().decode()
            except (OSError, http.client.HTTPException) as error:
                self.drop()
                # An idle connection may have been closed under us: that alone is worth a second try.
                if is_last or not is_reused:
                    raise OSError(str(error)) from error
        raise AssertionError

    def drop(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def get(self, path):
        status, text = self.request("GET", path)
        if status != 200:
            raise OSError(f"GET {path}: {status} {text[:200]}")
        return json.loads(text)

    def end_of(self, channel):
        """The last position of a channel: an `after` beyond the end answers with the end."""
        status, text = self.request("GET", f"/v1/channels/{channel}/events?after={2**62}&limit=1")
        if status != 200:
            raise OSError(f"{channel}: {status} {text[:200]}")
        return int(self.headers["X-Isochrone-Position"])

    def is_alive(self):
        try:
            return self.request("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def post_events(self, channel, events):
        """Posts dictionaries as NDJSON; the collector's acknowledgement."""
        body = "".join(json.dumps(event) + "\n" for event in events)
        status, text = self.request("POST", f"/v1/channels/{channel}/events", body.encode())
        if status != 200:
            raise OSError(f"POST {channel}: {status} {text[:300]}")
        return json.loads(text)
