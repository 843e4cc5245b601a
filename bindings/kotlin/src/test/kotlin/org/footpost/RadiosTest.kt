package org.footpost

import java.nio.file.Path
import java.util.concurrent.ConcurrentHashMap
import kotlin.io.path.writeBytes
import kotlin.reflect.KClass
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir

/** Radios that the application drives: Footpost says what to do, and is told what happened. */
class RadiosTest {
    @Test
    fun two_nodes_meet_by_bluetooth_that_the_application_drives(@TempDir home: Path) = onNodes {
        val byGatt = meet(home.resolve("gatt"), withChannels = false)
        assertTrue(byGatt.containsAll(listOf(BleCommand.Write::class, BleCommand.Notify::class)))
        assertFalse(BleCommand.Send::class in byGatt)
        assertTrue(BleCommand.Send::class in meet(home.resolve("l2cap"), withChannels = true))
        assertEquals(4, bleService().run { setOf(service, info, inbox, outbox) }.size)
    }

    /** Says which commands it took. */
    private suspend fun meet(directory: Path, withChannels: Boolean): Set<KClass<out BleCommand>> {
        val air = mutableListOf<Phone>()
        val turn = Mutex()
        coroutineScope {
            start(directory.resolve("alice")).shutDownAfter { alice ->
                start(directory.resolve("bob")).shutDownAfter { bob ->
                    val bobs = alice.meet(bob, "Bob")
                    bob.meet(alice, "Alice")
                    air += listOf(alice, bob).mapIndexed { number, node ->
                        Phone(number, air, node.bluetooth(BlePlatform.ANDROID), withChannels, turn)
                    }
                    air.forEach { phone -> launch { phone.run() } }
                    val sent = alice.sendText(bobs, "by radio")
                    assertEquals("by radio", bob.received().text)
                    alice.reaches(sent, DeliveryState.DELIVERED)
                    assertTrue(air[0].ble.stats().sentBytes > 0u)
                }
            }
            // The loops end with their nodes.
        }
        // What is told afterwards does no harm.
        air[0].ble.report(BleFact.AdapterOff)
        return air[0].done + air[1].done
    }

    /** A shell of Bluetooth LE: does what it is told, on an air in which all hear each other. */
    private class Phone(
        val number: Int,
        val air: List<Phone>,
        val ble: Ble,
        val withChannels: Boolean,
        val turn: Mutex,
    ) {
        val done = mutableSetOf<KClass<out BleCommand>>()
        private var scans = false
        private var shown: BleCommand.Advertise? = null
        private var info = ByteArray(0)

        suspend fun run() {
            ble.setDuty(BleDuty.PERFORMANCE)
            ble.report(BleFact.AdapterOn)
            if (withChannels) ble.report(BleFact.Listening(PSM))
            while (true) {
                val command = ble.nextCommand() ?: return
                done += command::class
                turn.withLock { execute(command) }
            }
        }

        private suspend fun execute(command: BleCommand) {
            when (command) {
                is BleCommand.Scan -> {
                    scans = true
                    others.forEach { other -> other.shown?.let { ble.report(other.seen(it)) } }
                }
                is BleCommand.StopScan -> scans = false
                is BleCommand.Advertise -> {
                    shown = command
                    others.forEach { other -> if (other.scans) other.ble.report(seen(command)) }
                }
                is BleCommand.Serve -> info = command.info
                is BleCommand.Connect ->
                    both(BleConnection(command.device, BleSide.CENTRAL)) { BleFact.Connected(it, 23u) }
                is BleCommand.Disconnect -> both(command.connection) { BleFact.Disconnected(it) }
                is BleCommand.ExchangeMtu -> both(command.connection) { BleFact.Mtu(it, command.mtu) }
                is BleCommand.ReadInfo -> {
                    val value = air[command.connection.device.toInt()].info
                    ble.report(BleFact.Info(command.connection, value))
                }
                is BleCommand.Subscribe -> both(command.connection) { BleFact.Subscribed(it) }
                is BleCommand.OpenChannel -> {
                    assertEquals(PSM, command.psm)
                    both(command.connection) { BleFact.ChannelOpen(it) }
                }
                is BleCommand.Write -> bring(command.connection) { BleFact.Received(it, command.value) }
                is BleCommand.Notify -> bring(command.connection) { BleFact.Received(it, command.value) }
                is BleCommand.Send -> {
                    val name = command.connection
                    val theirs = there(name) { BleFact.ChannelReceived(it, command.bytes) }
                    air[name.device.toInt()].ble.readable(theirs)
                    ble.report(BleFact.Writable(name))
                }
            }
        }

        private val others
            get() = air.filter { it !== this }

        private fun seen(shown: BleCommand.Advertise) = BleFact.Seen(number.toULong(), -50, shown.tag)

        private fun bring(name: BleConnection, fact: (BleConnection) -> BleFact) {
            there(name, fact)
            ble.report(BleFact.Writable(name))
        }

        private fun both(name: BleConnection, fact: (BleConnection) -> BleFact) {
            ble.report(fact(name))
            there(name, fact)
        }

        /** What happens at the other end, which has the connection by another name. */
        private fun there(name: BleConnection, fact: (BleConnection) -> BleFact): BleConnection {
            val side = if (name.side == BleSide.CENTRAL) BleSide.PERIPHERAL else BleSide.CENTRAL
            val theirs = BleConnection(number.toULong(), side)
            air[name.device.toInt()].ble.report(fact(theirs))
            return theirs
        }
    }

    @Test
    fun a_large_file_moves_to_a_wifi_direct_group_that_the_application_forms(@TempDir home: Path) = onNodes {
        val content = home.resolve("map.png")
        content.writeBytes(ByteArray(2 shl 20))
        val air = ConcurrentHashMap<String, String>()
        start(home.resolve("alice")).shutDownAfter { alice ->
            start(home.resolve("bob")).shutDownAfter { bob ->
                val bobs = alice.meet(bob, "Bob")
                bob.meet(alice, "Alice")
                val one = alice.openLink(LinkRole.INITIATOR, LinkCost.BLE)
                val other = bob.openLink(LinkRole.RESPONDER, LinkCost.BLE)
                val shells = launch {
                    listOf(alice, bob).forEach { node -> launch { radio(node.wifiDirect(), air) } }
                    launch { carrySlowly(one, other) }
                    launch { carrySlowly(other, one) }
                }
                val sent = alice.sendFile(bobs, content.toString(), "map.png", "image/png")
                alice.reaches(sent, DeliveryState.DELIVERED)
                assertEquals(listOf(true), air.keys.map { it.startsWith("DIRECT-") })
                shells.cancel()
                val error = assertThrows<WifiDirectException.Address> {
                    alice.wifiDirect().report(WifiDirectFact.GroupUp("nowhere", 1u))
                }
                assertTrue("“nowhere” is no IP address" in error.explanation())
            }
        }
    }

    /** A shell of Wi-Fi Direct: a group is loopback, which has more addresses than one. */
    private suspend fun radio(wifi: WifiDirect, air: MutableMap<String, String>) {
        wifi.report(WifiDirectFact.RadioOn(WifiStation.Free))
        while (true) {
            val fact = when (val command = wifi.nextCommand() ?: return) {
                is WifiDirectCommand.CreateGroup -> {
                    air[command.networkName] = command.passphrase
                    WifiDirectFact.GroupUp("127.0.0.1", 1u)
                }
                is WifiDirectCommand.JoinGroup ->
                    if (air[command.networkName] == command.passphrase) WifiDirectFact.GroupUp("127.0.0.2", 1u)
                    else WifiDirectFact.GroupDown
                is WifiDirectCommand.RemoveGroup -> WifiDirectFact.GroupDown
            }
            wifi.report(fact)
        }
    }

    /** About as fast as GATT is between good phones. */
    private suspend fun carrySlowly(source: ByteLink, sink: ByteLink) {
        while (true) {
            val written = source.nextWrite() ?: return
            written.asList().chunked(500).forEach {
                delay(10.milliseconds)
                sink.received(it.toByteArray())
            }
        }
    }

    private companion object {
        const val PSM: UShort = 0x80u
    }
}
