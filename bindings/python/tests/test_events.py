"""What happens comes as events, to whoever pulls them."""

import asyncio
import gc
import tracemalloc

from conftest import pair, run, start
from footpost import Event


def test_a_cancelled_wait_loses_no_event(home):
    async def cancel():
        async with pair(home) as (alice, bob, bobs, _):
            await bob.shutdown()
            seen, wanted = [], 300

            async def send():
                for _ in range(wanted):
                    await alice.send_text(bobs, "x")

            sending = asyncio.create_task(send())
            while len(seen) < wanted:
                waiting = asyncio.create_task(alice.next_event())
                # Cancelled before, while and after the event comes.
                for _ in range(len(seen) % 4):
                    await asyncio.sleep(0.001)
                waiting.cancel()
                try:
                    event = await waiting
                except asyncio.CancelledError:
                    event = alice.take_event()
                if event is not None and event.is_PROGRESS():
                    seen.append(event.message)
            await sending
            assert seen == sorted(set(seen)) and len(seen) == wanted

    run(cancel())


def test_ten_thousand_events_pass_without_a_leak(home):
    async def pass_by():
        async with pair(home) as (alice, bob, bobs, _):
            await bob.shutdown()

            async def thousands(count):
                """So many messages are sent, and their events taken."""
                for _ in range(count // 100):
                    await asyncio.gather(*(alice.send_text(bobs, "x") for _ in range(100)))
                    taken = 0
                    while taken < 100:
                        taken += (await alice.next_event()).is_PROGRESS()

            await thousands(1000)
            gc.collect()
            tracemalloc.start()
            before, _ = tracemalloc.get_traced_memory()
            await thousands(10_000)
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            # No object of Python's is as small as ten bytes: were one kept an event, there would be more.
            assert after - before < 100_000

    run(pass_by())


def test_events_end_when_the_node_stops(home):
    async def end():
        node = start(home)
        waiting = asyncio.create_task(drain(node))
        await asyncio.sleep(0.01)
        await node.shutdown()
        await asyncio.wait_for(waiting, 60)
        assert await node.next_event() is None and node.take_event() is None

    run(end())


async def drain(node):
    async for event in node.events():
        assert isinstance(event, Event)
