# SPDX-License-Identifier: Apache-2.0
"""A resolver's side of DNS: queries with Client Subnet (RFC 7871) over one UDP socket, many at once."""

import collections
import ipaddress
import random
import select
import struct
import time

TYPE_A = 1
TYPE_AAAA = 28
TYPE_OPT = 41
CLASS_IN = 1
OPTION_CLIENT_SUBNET = 8

Answer = collections.namedtuple("Answer", "rcode addresses scope received")


def encode_name(name):
    labels = name.rstrip(".").split(".")
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def encode_query(number, name, kind, subnet):
    network = ipaddress.ip_network(subnet)
    family = 1 if network.version == 4 else 2
    significant = network.network_address.packed[:(network.prefixlen + 7) // 8]
    ecs = struct.pack("!HBB", family, network.prefixlen, 0) + significant
    options = struct.pack("!HH", OPTION_CLIENT_SUBNET, len(ecs)) + ecs
    header = struct.pack("!6H", number, 0, 1, 0, 0, 1)
    question = encode_name(name) + struct.pack("!2H", kind, CLASS_IN)
    opt = b"\0" + struct.pack("!HHIH", TYPE_OPT, 1232, 0, len(options)) + options
    return header + question + opt


def skip_name(message, at):
    while message[at] != 0:
        if message[at] >= 0xC0:
            return at + 2
        at += 1 + message[at]
    return at + 1


def scope_of(options):
    at = 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from("!HH", options, at)
        if code == OPTION_CLIENT_SUBNET and length >= 4:
            return options[at + 7]
        at += 4 + length
    return None


def decode(message, received):
    """(number, Answer); raises on what is no DNS message."""
    number, flags, questions, *sections = struct.unpack_from("!6H", message)
    at = 12
    for _ in range(questions):
        at = skip_name(message, at) + 4
    addresses, scope = [], None
    for _ in range(sum(sections)):
        at = skip_name(message, at)
        kind, _, _, length = struct.unpack_from("!HHIH", message, at)
        data = message[at + 10:at + 10 + length]
        at += 10 + length
        if len(data) != length:
            raise IndexError("cut short")
        if kind == TYPE_A and length == 4 or kind == TYPE_AAAA and length == 16:
            addresses.append(str(ipaddress.ip_address(data)))
        elif kind == TYPE_OPT:
            scope = scope_of(data)
    return number, Answer(flags & 15, addresses, scope, received)


class Resolver:
    """Asks one server. The socket was made inside the lab."""

    # Queries sent between two looks at the answers: they must fit the server's socket buffer.
    BURST = 32

    def __init__(self, sock, server):
        self.socket = sock
        self.socket.setblocking(False)
        self.socket.connect((server, 53))
        self.next_number = random.randrange(65536)

    def _number(self):
        self.next_number = (self.next_number + 1) % 65536
        return self.next_number

    def _collect(self, waiting, wait):
        """Moves what has arrived out of `waiting` (number -> key); yields (key, Answer)."""
        ready, _, _ = select.select([self.socket], [], [], max(0, wait))
        while ready:
            try:
                message = self.socket.recv(4096)
            except (BlockingIOError, ConnectionRefusedError):
                return
            try:
                number, answer = decode(message, time.monotonic())
            except (struct.error, IndexError):
                continue
            if number in waiting:
                yield waiting.pop(number), answer

    def _send(self, name, kind, subnet):
        number = self._number()
        try:
            self.socket.send(encode_query(number, name, kind, subnet))
        except (BlockingIOError, ConnectionRefusedError):
            pass  # as good as lost on the way: the caller counts no answer
        return number

    def ask(self, name, subnet, kind=TYPE_A, timeout=0.5):
        """The Answer, or None."""
        return self.ask_all(name, [subnet], kind, timeout).get(subnet)

    def ask_all(self, name, subnets, kind=TYPE_A, timeout=1.0):
        """Answers by subnet; who did not answer within `timeout` is missing."""
        waiting, answers = {}, {}
        for index, subnet in enumerate(subnets):
            waiting[self._send(name, kind, subnet)] = subnet
            if index % self.BURST == self.BURST - 1:
                answers.update(self._collect(waiting, 0.002))
        deadline = time.monotonic() + timeout
        while waiting and time.monotonic() < deadline:
            answers.update(self._collect(waiting, deadline - time.monotonic()))
        return answers

    def offer(self, name, subnets, rate, seconds):
        """Sends `rate` queries per second whatever comes back; returns (sent, answered)."""
        waiting, sent, answered = {}, 0, 0
        start = time.monotonic()
        while (elapsed := time.monotonic() - start) < seconds:
            while sent < rate * elapsed:
                subnet = subnets[sent % len(subnets)]
                waiting[self._send(name, TYPE_A, subnet)] = subnet
                sent += 1
            answered += sum(1 for _ in self._collect(waiting, 1 / rate))
        deadline = time.monotonic() + 2
        while waiting and time.monotonic() < deadline:
            answered += sum(1 for _ in self._collect(waiting, deadline - time.monotonic()))
        return sent, answered


def udp(lab, node):
    return lab.sockets(node, "AF_INET:SOCK_DGRAM")[0]


