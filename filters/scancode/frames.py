"""Messages over a socket: a length and that much JSON."""

import json
import socket
import struct
from typing import Any

HEADER = struct.Struct("<I")


def send(connection: socket.socket, message: Any) -> None:
    """Send a message whole."""
    data = json.dumps(message).encode()
    connection.sendall(HEADER.pack(len(data)) + data)


class Frames:
    """Puts the messages of one connection together."""

    def __init__(self) -> None:
        """Start with nothing received."""
        self._data = bytearray()

    def receive(self, connection: socket.socket) -> list[Any] | None:
        """Wait for bytes; return the messages that they complete, or None when it was closed."""
        data = connection.recv(1 << 20)
        if not data:
            return None
        self._data += data
        messages = []
        while len(self._data) >= HEADER.size:
            end = HEADER.size + HEADER.unpack_from(self._data)[0]
            if len(self._data) < end:
                break
            messages.append(json.loads(self._data[HEADER.size : end]))
            del self._data[:end]
        return messages
