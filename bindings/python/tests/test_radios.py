"""Radios that the application drives: Footpost says what to do, and is told what happened."""

from __future__ import annotations

import asyncio

import pytest
from conftest import introduce, reaches, received, run, start, text
from footpost import (
    Ble, BleCommand, BleConnection, BleDuty, BleFact, BlePlatform, BleSide, ByteLink,
    DeliveryState, LinkCost, LinkRole, WifiDirect, WifiDirectCommand, WifiDirectError,
    WifiDirectFact, WifiStation, ble_service,
)


class Phone:
    """A shell of Bluetooth LE: does what it is told, on an air in which all hear each other."""

    PSM = 0x80

    def __init__(self, air: list[Phone], ble: Ble, with_channels: bool) -> None:
        self.air, self.ble, self.with_channels = air, ble, with_channels
        self.number, self.scans, self.shown, self.info = len(air), False, None, b""
        self.done = set()
        air.append(self)

    async def run(self) -> None:
        self.ble.report(BleFact.ADAPTER_ON())
        if self.with_channels:
            self.ble.report(BleFact.LISTENING(self.PSM))
        while (command := await self.ble.next_command()) is not None:
            self.done.add(type(command))
            await self.execute(command)

    async def execute(self, command: BleCommand) -> None:
        here = self.ble.report
        match command:
            case BleCommand.SCAN():
                self.scans = True
                for other in self.others():
                    if other.shown:
                        here(BleFact.SEEN(other.number, -50, other.shown.tag))
            case BleCommand.STOP_SCAN():
                self.scans = False
            case BleCommand.ADVERTISE():
                self.shown = command
                for other in self.others():
                    if other.scans:
                        other.ble.report(BleFact.SEEN(self.number, -50, command.tag))
            case BleCommand.SERVE(info=info):
                self.info = info
            case BleCommand.CONNECT(device=device):
                name = BleConnection(device=device, side=BleSide.CENTRAL)
                here(BleFact.CONNECTED(name, 23))
                self.there(name, lambda mine: BleFact.CONNECTED(mine, 23))
            case BleCommand.DISCONNECT(connection=name):
                here(BleFact.DISCONNECTED(name))
                self.there(name, BleFact.DISCONNECTED)
            case BleCommand.EXCHANGE_MTU(connection=name, mtu=mtu):
                here(BleFact.MTU(name, mtu))
                self.there(name, lambda mine: BleFact.MTU(mine, mtu))
            case BleCommand.READ_INFO(connection=name):
                here(BleFact.INFO(name, self.air[name.device].info))
            case BleCommand.SUBSCRIBE(connection=name):
                here(BleFact.SUBSCRIBED(name))
                self.there(name, BleFact.SUBSCRIBED)
            case BleCommand.OPEN_CHANNEL(connection=name, psm=psm):
                assert psm == self.PSM
                here(BleFact.CHANNEL_OPEN(name))
                self.there(name, BleFact.CHANNEL_OPEN)
            case (
                BleCommand.WRITE(connection=name, value=value)
                | BleCommand.NOTIFY(connection=name, value=value)
            ):
                self.there(name, lambda mine: BleFact.RECEIVED(mine, value))
                here(BleFact.WRITABLE(name))
            case BleCommand.SEND(connection=name, bytes=value):
                mine = self.there(name, lambda mine: BleFact.CHANNEL_RECEIVED(mine, value))
                await self.air[name.device].ble.readable(mine)
                here(BleFact.WRITABLE(name))

    def others(self) -> list[Phone]:
        return [other for other in self.air if other is not self]

    def there(self, name: BleConnection, fact) -> BleConnection:
        """What happens at the other end, which has the connection by another name."""
        side = BleSide.PERIPHERAL if name.side == BleSide.CENTRAL else BleSide.CENTRAL
        mine = BleConnection(device=self.number, side=side)
        self.air[name.device].ble.report(fact(mine))
        return mine


def test_two_nodes_meet_by_bluetooth_that_the_application_drives(home):
    async def meet(directory, with_channels):
        air, shells = [], []
        async with start(directory / "alice") as alice, start(directory / "bob") as bob:
            bobs = await introduce(alice, bob, "Bob")
            await introduce(bob, alice, "Alice")
            for node in (alice, bob):
                ble = await node.bluetooth(BlePlatform.ANDROID)
                ble.set_duty(BleDuty.PERFORMANCE)
                shells.append(asyncio.create_task(Phone(air, ble, with_channels).run()))
            sent = await alice.send_text(bobs, "by radio")
            assert text(await received(bob)) == "by radio"
            await reaches(alice, sent, DeliveryState.DELIVERED)
            assert air[0].ble.stats().sent_bytes > 0
        # The loops end with their nodes, and what is told afterwards does no harm.
        await asyncio.wait_for(asyncio.gather(*shells), 60)
        air[0].ble.report(BleFact.ADAPTER_OFF())
        return air[0].done | air[1].done

    by_gatt = run(meet(home / "gatt", False))
    assert {BleCommand.WRITE, BleCommand.NOTIFY} <= by_gatt and BleCommand.SEND not in by_gatt
    assert BleCommand.SEND in run(meet(home / "l2cap", True))
    assert len(set(vars(ble_service()).values())) == 4


# About as fast as GATT is between good phones.
PIECE_BYTES = 500
PIECE_EVERY_S = 0.01


async def carry_slowly(source: ByteLink, sink: ByteLink) -> None:
    while (written := await source.next_write()) is not None:
        for at in range(0, len(written), PIECE_BYTES):
            await asyncio.sleep(PIECE_EVERY_S)
            await sink.received(written[at : at + PIECE_BYTES])


async def radio(wifi: WifiDirect, air: dict[str, str]) -> None:
    """A shell of Wi-Fi Direct: a group is loopback, which has more addresses than one."""
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


def test_a_large_file_moves_to_a_wifi_direct_group_that_the_application_forms(home):
    async def move():
        air, content = {}, home / "map.png"
        content.write_bytes(bytes(2 << 20))
        async with start(home / "alice") as alice, start(home / "bob") as bob:
            bobs = await introduce(alice, bob, "Bob")
            await introduce(bob, alice, "Alice")
            radios = [radio(await node.wifi_direct(), air) for node in (alice, bob)]
            one = await alice.open_link(LinkRole.INITIATOR, LinkCost.BLE)
            other = await bob.open_link(LinkRole.RESPONDER, LinkCost.BLE)
            links = [carry_slowly(one, other), carry_slowly(other, one)]
            tasks = [asyncio.create_task(work) for work in (*radios, *links)]
            sent = await alice.send_file(bobs, str(content), "map.png", "image/png")
            await reaches(alice, sent, DeliveryState.DELIVERED)
            assert [name.startswith("DIRECT-") for name in air] == [True]
            for task in tasks:
                task.cancel()
            wifi = await alice.wifi_direct()
            with pytest.raises(WifiDirectError.Address, match="“nowhere” is no IP address"):
                await wifi.report(WifiDirectFact.GROUP_UP("nowhere", 1))

    run(move())
