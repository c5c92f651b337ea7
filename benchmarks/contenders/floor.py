"""The bare floor: a uvloop protocol that writes constant bytes for whatever arrives. `python -m … PORT ANSWER`.

ANSWER is a file. It parses nothing, so it is no server: it shows what the loop, the sockets and the kernel cost. An
answer with `Connection: close` is followed by the end of the connection.
"""

import asyncio
import sys
from pathlib import Path

import uvloop

BACKLOG = 4096


class Floor(asyncio.Protocol):
    answer = b""
    closes = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(self.answer)  # type: ignore[attr-defined]
        if self.closes:
            self._transport.close()


async def serve(port: int, answer: bytes) -> None:
    Floor.answer = answer
    Floor.closes = b"\r\nconnection: close\r\n" in answer.partition(b"\r\n\r\n")[0].lower() + b"\r\n"
    server = await asyncio.get_running_loop().create_server(Floor, "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()))
