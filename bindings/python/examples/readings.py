"""Sensors whose readings passing phones carry to a collector, one way.

    readings.py                     all of it on this machine, with a process for each sensor
    readings.py sensor DIR CARD     a sensor that writes to the collector with this card

The collector knows its sensors' cards from the day they were set up; it never answers. A phone knows
neither: it carries what it meets.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time

from footpost import Config, Content, Event, Footpost, Priority, Vault

SENSORS = 3
READINGS = 5
# A sensor's peak, of the interpreter too, that leaves a Raspberry Pi Zero most of its 512 MiB.
BUDGET_MIB = 64


def start(directory: str, *peers: str) -> Footpost:
    # Here and now: no work for postmarks, and nobody found but by address.
    config = Config(
        directory=directory,
        listen="127.0.0.1:0",
        peers=list(peers),
        lan=False,
        simulated=True,
        max_carried_bytes=4 << 20,
    )
    return Footpost.open(config, Vault.OPEN())


async def sensor(directory: str, collector: str) -> None:
    async with start(directory) as node:
        to = await node.add_contact(collector, "collector")
        for n in range(READINGS):
            reading = json.dumps({"n": n, "time": int(time.time()), "celsius": 20 + n / 10})
            await node.send_bytes(to, "application/json", reading.encode(), Priority.LOW)
        print(await node.card(), node.listen_address(), flush=True)
        await asyncio.to_thread(sys.stdin.read)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak_kib / 1024, flush=True)


async def collect(home: str) -> None:
    async with start(f"{home}/collector") as collector:
        card = await collector.card()
        sensors = [run_sensor(f"{home}/sensor{n}", card) for n in range(SENSORS)]
        addresses = []
        for n, process in enumerate(sensors):
            theirs, address = process.stdout.readline().split()  # type: ignore[union-attr]
            await collector.add_contact(theirs, f"sensor {n}")
            addresses.append(address)

        async with start(f"{home}/phone", *addresses) as phone:
            while (await phone.stats()).foreign_envelopes < SENSORS * READINGS:
                await asyncio.sleep(0.05)
            peaks = [float(process.communicate()[0]) for process in sensors]
            print("the sensors are out of reach; the phone walks on")
            await phone.dial(collector.listen_address())
            await take(collector, SENSORS * READINGS)
        print(f"memory of a sensor, at its peak: {max(peaks):.0f} MiB")
        assert max(peaks) < BUDGET_MIB, peaks


def run_sensor(directory: str, card: str) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "sensor", directory, card]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def take(collector: Footpost, count: int) -> None:
    names = {contact.id: contact.name for contact in await collector.contacts()}
    async for event in collector.events():
        if not isinstance(event, Event.RECEIVED):
            continue
        message = await collector.message(event.message)
        assert message is not None and isinstance(message.content, Content.APPLICATION)
        print(names[message.contact], message.content.bytes.decode())
        count -= 1
        if count == 0:
            return


if sys.argv[1:2] == ["sensor"]:
    asyncio.run(sensor(*sys.argv[2:4]))
else:
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(asyncio.wait_for(collect(home), 120))
