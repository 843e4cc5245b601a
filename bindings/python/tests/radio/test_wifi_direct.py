"""What is large moves to a Wi-Fi Direct group; the radios are the test's, and a group is loopback."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from footpost import (
    ByteLink,
    DeliveryState,
    Footpost,
    LinkCost,
    LinkRole,
    WifiDirect,
    WifiDirectCommand,
    WifiDirectError,
    WifiDirectFact,
    WifiStation,
)

from conftest import event, introduce, run, start

# About as fast as GATT is between good phones.
PIECE_BYTES = 500
PIECE_EVERY_S = 0.01


async def carry_slowly(source: ByteLink, sink: ByteLink) -> None:
    while (written := await source.next_write()) is not None:
        for at in range(0, len(written), PIECE_BYTES):
            await asyncio.sleep(PIECE_EVERY_S)
            await sink.received(written[at : at + PIECE_BYTES])


async def radio(wifi: WifiDirect, air: dict[str, str]) -> None:
    """Does what it is told. Loopback has more addresses than one."""
    await wifi.report(WifiDirectFact.RADIO_ON(WifiStation.FREE()))
    while (command := await wifi.next_command()) is not None:
        fact: WifiDirectFact = WifiDirectFact.GROUP_DOWN()
        if isinstance(command, WifiDirectCommand.CREATE_GROUP):
            air[command.network_name] = command.passphrase
            fact = WifiDirectFact.GROUP_UP("127.0.0.1", 1)
        elif (
            isinstance(command, WifiDirectCommand.JOIN_GROUP)
            and air.get(command.network_name) == command.passphrase
        ):
            fact = WifiDirectFact.GROUP_UP("127.0.0.2", 1)
        await wifi.report(fact)


def test_a_file_moves_to_a_group(tmp_path: Path) -> None:
    async def journey() -> None:
        air: dict[str, str] = {}
        content = tmp_path / "map.png"
        content.write_bytes(bytes(2 << 20))
        async with start(tmp_path / "alice") as alice, start(tmp_path / "bob") as bob:
            bobs = await introduce(alice, bob, "Bob")
            await introduce(bob, alice, "Alice")
            radios = [radio(await node.wifi_direct(), air) for node in (alice, bob)]
            one = await alice.open_link(LinkRole.INITIATOR, LinkCost.BLE)
            other = await bob.open_link(LinkRole.RESPONDER, LinkCost.BLE)
            links = [carry_slowly(one, other), carry_slowly(other, one)]
            tasks = [asyncio.create_task(work) for work in (*radios, *links)]
            await alice.send_file(bobs, str(content), "map.png", "image/png")
            await event(alice, lambda it: getattr(it, "state", None) == DeliveryState.DELIVERED)
            assert [name.startswith("DIRECT-") for name in air] == [True]
            for task in tasks:
                task.cancel()

    run(journey())


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    async def refused() -> None:
        async with start(tmp_path / "alice") as alice:
            wifi = await alice.wifi_direct()
            with pytest.raises(WifiDirectError.Address, match="“nowhere” is no IP address"):
                await wifi.report(WifiDirectFact.GROUP_UP("nowhere", 1))

    run(refused())
