"""Prints how many seconds it takes to send so many texts of 1 KiB, one after the other, until their
reader has read the last: as footpost-bench --exchange does in Rust."""

import asyncio
import sys
import tempfile
import time

from footpost import Config, Footpost, Vault


def start(directory: str) -> Footpost:
    config = Config(
        directory=directory, listen="127.0.0.1:0", lan=False, ack_delay_max_ms=0, simulated=True
    )
    return Footpost.open(config, Vault.OPEN())


async def exchange(home: str, count: int) -> float:
    async with start(home + "/alice") as alice, start(home + "/bob") as bob:
        bobs = await alice.add_contact(await bob.card(), "Bob")
        await bob.add_contact(await alice.card(), "Alice")
        await bob.dial(alice.listen_address())
        text = "x" * 1024
        begin = time.perf_counter()

        async def send() -> None:
            for _ in range(count):
                await alice.send_text(bobs, text)

        async def read() -> None:
            left = count
            async for event in bob.events():
                if event.is_RECEIVED():
                    assert await bob.message(event.message) is not None
                    left -= 1
                    if left == 0:
                        return

        await asyncio.gather(send(), read())
        return time.perf_counter() - begin


with tempfile.TemporaryDirectory() as home:
    print(asyncio.run(exchange(home, int(sys.argv[1]))))
