"""Phones whose radios are Bumble's virtual ones, and the air between them.

Bumble's virtual controller is made for tests of one connection, and leaves out what the
specification says of the rest: `Radio` adds that, and nothing of Footpost's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.device import Device
from bumble.hci import Address, HCI_ErrorCode, HCI_LE_Connection_Complete_Event, Role
from bumble.host import Host
from bumble.link import LocalLink
from bumble.ll import AdvertisingPdu, ConnectInd
from conftest import start

from footpost import BleDuty, BlePlatform, Footpost
from footpost.bumble import Shell


class Air(LocalLink):
    """All radios hear each other."""

    def __init__(self) -> None:
        super().__init__()
        # Whether what one radio sends arrives; asked for each L2CAP packet.
        self.passes: Callable[[Controller, bytes], bool] = lambda sender, packet: True

    def send_advertising_pdu(self, sender: Controller, packet: AdvertisingPdu) -> None:
        """Who takes an advertiser up on it does so before anybody else can."""
        if isinstance(packet, ConnectInd):
            for radio in self.controllers - {sender}:
                radio.on_ll_advertising_pdu(packet)
        else:
            super().send_advertising_pdu(sender, packet)

    def send_acl_data(
        self, sender: Controller, to: Address, transport: PhysicalTransport, data: bytes
    ) -> None:
        if self.passes(sender, data):
            super().send_acl_data(sender, to, transport, data)


class Radio(Controller):
    """A controller as the specification has it (Core, volume 4, part E)."""

    def create_le_connection(self, peer_address: Address) -> None:
        """Of two that call each other at once, the second finds that they are connected."""
        for other in self.link.controllers:
            if other.random_address == peer_address:
                if self.random_address in other.le_connections:
                    self._give_up(HCI_ErrorCode.CONNECTION_ALREADY_EXISTS_ERROR)
                elif any(it.enabled for it in other.advertising_sets.values()):
                    super().create_le_connection(peer_address)

    def on_hci_le_create_connection_cancel_command(self, command: Any) -> Any:
        if self.pending_le_connection:
            self._give_up(HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR)
        return super().on_hci_le_create_connection_cancel_command(command)

    def on_hci_reset_command(self, command: Any) -> Any:
        self.fall_silent()
        return super().on_hci_reset_command(command)

    def _give_up(self, status: HCI_ErrorCode) -> None:
        assert self.pending_le_connection
        address = self.pending_le_connection.peer_address
        self.pending_le_connection = None
        event = HCI_LE_Connection_Complete_Event(
            status=status,
            connection_handle=0,
            role=Role.CENTRAL,
            peer_address_type=address.address_type,
            peer_address=address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        self.send_hci_packet(event)

    def fall_silent(self) -> None:
        self.pending_le_connection = None
        self.le_scan_enable = False
        for advertising in self.advertising_sets.values():
            advertising.stop()
        self.advertising_sets.clear()
        self.cut()

    def cut(self) -> None:
        """Ends all connections, as distance does: both ends hear nothing any more."""
        for connection in list(self.le_connections.values()):
            other = self.link.find_le_controller(connection.peer_address)
            back = other and other.le_connections.get(connection.self_address)
            if other and back:
                other.on_le_disconnected(back, HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
            self.on_le_disconnected(connection, HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)


def make_device(air: Air, mtu: int = 517) -> tuple[Device, Radio]:
    """A device at an address of its own, as each has for some minutes."""
    address = Address.generate_static_address()
    radio = Radio("", link=air, public_address=None)
    device = Device(address=address, host=Host(radio, controller_sink=radio))
    device.gatt_server.max_mtu = mtu
    return device, radio


class Phone:
    """A node with Bluetooth, and nothing else, that can be switched off and on."""

    def __init__(
        self, air: Air, directory: Path, mtu: int = 517, with_channels: bool = False
    ) -> None:
        self.air, self.mtu, self.with_channels = air, mtu, with_channels
        self.node: Footpost = start(directory)
        self.shell: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Phone:
        self.ble = await self.node.bluetooth(BlePlatform.BLUEZ)
        self.ble.set_duty(BleDuty.PERFORMANCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.node.shutdown()
        if self.shell:
            await self.shell

    def on(self) -> None:
        device, self.radio = make_device(self.air, self.mtu)
        self.device = device
        self.shell = asyncio.create_task(Shell(self.ble, device, self.with_channels).run())

    async def off(self) -> None:
        """The adapter goes, without a word."""
        self.radio.fall_silent()
        self.air.remove_controller(self.radio)
        self.device.host.on_transport_lost()
        assert self.shell
        await self.shell
