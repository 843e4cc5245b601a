package org.footpost

import java.nio.file.Path
import kotlin.io.path.exists
import kotlinx.coroutines.launch
import kotlinx.coroutines.coroutineScope
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir

/** A node's life on a phone. */
class NodeTest {
    @Test
    fun what_was_accepted_is_there_after_a_restart(@TempDir home: Path) = onNodes {
        var sent = 0L
        var address = ""
        pair(home) {
            it.bob.shutdown()
            sent = it.alice.sendText(it.bobs, "still here?")
            address = it.alice.address()
        }
        start(home.resolve("alice")).shutDownAfter {
            assertEquals(address, it.address())
            assertEquals("still here?", it.message(sent)!!.text)
            assertEquals(listOf("Bob"), it.contacts().map { contact -> contact.name })
        }
    }

    @Test
    fun a_backup_is_restored_with_the_words(@TempDir home: Path) = onNodes {
        val backup = home.resolve("backup").toString()
        var words = ""
        var address = ""
        pair(home) {
            words = it.alice.createWords().joinToString(" ")
            it.alice.sendText(it.bobs, "remember")
            it.alice.backUp(words, backup)
            address = it.alice.address()
        }
        val other = config(home.resolve("restored"))
        val wrong = (List(23) { "abandon" } + "art").joinToString(" ")
        assertThrows<BackupException.WrongWords> { Footpost.restore(other, Vault.Open, wrong, backup) }
        Footpost.restore(other, Vault.Open, words, backup).shutDownAfter {
            assertEquals(address, it.address())
            assertEquals("remember", it.messages().single().text)
            assertFalse(it.isSuperseded())
        }
        assertThrows<BackupException.InUse> { Footpost.restore(other, Vault.Open, words, backup) }
    }

    @Test
    fun a_node_that_leaves_hands_over_what_it_carries(@TempDir home: Path) = onNodes {
        lateinit var carrier: Footpost
        pair(home) {
            it.bob.shutdown()
            it.alice.sendText(it.bobs, "by and by")
            carrier = start(home.resolve("carrier"), it.alice.listenAddress())
            until { carrier.carries(1) }
        }
        carrier.setPowerMode(PowerMode.LEAVING)
        start(home.resolve("other"), carrier.listenAddress()).shutDownAfter { other ->
            carrier.shutDownAfter {
                until { other.carries(1) }
                until { carrier.carries(0) }
                assertEquals(1uL, carrier.stats().handedOver)
            }
        }
    }

    @Test
    fun quotas_and_conditions_may_change_at_any_time(@TempDir home: Path) = onNodes {
        Footpost.open(config(home, maxCarriedBytes = 1_000_000u), Vault.Open).shutDownAfter {
            assertEquals(1_000_000uL, it.stats().maxForeignBytes)
            it.setMaxCarriedBytes(0u)
            assertEquals(0uL, it.stats().maxForeignBytes)
            it.setConditions(Conditions(metered = true, roaming = true, batteryPercent = 50u))
            it.setPowerMode(PowerMode.SAVING)
            it.setPowerMode(PowerMode.FULL)
        }
    }

    @Test
    fun a_background_tick_brings_what_waits_and_keeps_its_budget(@TempDir home: Path) = onNodes {
        start(home.resolve("alice")).shutDownAfter { alice ->
            start(home.resolve("bob")).shutDownAfter { bob ->
                val bobs = alice.meet(bob, "Bob")
                bob.meet(alice, "Alice")
                repeat(20) { n -> alice.sendText(bobs, "message $n") }
                bob.dial(alice.listenAddress())
                val done = bob.backgroundTick(60_000u)
                assertEquals(true to 20uL, done.isDone to done.taken)
                assertEquals(20, bob.messages().size)
                val none = bob.backgroundTick(0u)
                assertEquals(false to 0uL, none.isDone to none.taken)
            }
        }
    }

    @Test
    fun two_nodes_talk_over_a_stream_that_the_application_carries(@TempDir home: Path) = onNodes {
        start(home.resolve("alice")).shutDownAfter { alice ->
            start(home.resolve("bob")).shutDownAfter { bob ->
                val bobs = alice.meet(bob, "Bob")
                bob.meet(alice, "Alice")
                val here = alice.openLink(LinkRole.INITIATOR, LinkCost.BLE)
                val there = bob.openLink(LinkRole.RESPONDER, LinkCost.BLE)
                coroutineScope {
                    launch { pump(here, there) }
                    launch { pump(there, here) }
                    val sent = alice.sendText(bobs, "by radio")
                    alice.reaches(sent, DeliveryState.DELIVERED)
                    assertEquals("by radio", bob.received().text)
                    assertEquals(listOf(bobs), alice.neighbours().map { it.contact })
                    here.disconnected()
                    there.disconnected()
                }
                assertThrows<LinkException.Ended> { here.received("more".toByteArray()) }
            }
        }
    }

    /** A shell: what is to be written on one side comes in on the other, in pieces. */
    private suspend fun pump(source: ByteLink, sink: ByteLink) {
        while (true) {
            val bytes = source.nextWrite() ?: return
            try {
                bytes.asList().chunked(100).forEach { sink.received(it.toByteArray()) }
            } catch (_: LinkException.Ended) {
                return
            }
        }
    }

    @Test
    fun a_store_opens_with_its_passphrase_alone(@TempDir home: Path) = onNodes {
        val vault = Vault.Passphrase("correct horse")
        val address = Footpost.open(config(home), vault).shutDownAfter { it.address() }
        val wrong = Vault.Passphrase("battery")
        assertThrows<OpenException.WrongPassphrase> { Footpost.open(config(home), wrong) }
        assertThrows<OpenException.Locked> { start(home) }
        Footpost.open(config(home), vault).shutDownAfter { assertEquals(address, it.address()) }
        assertThrows<OpenException.WrongPassphrase> { changePassphrase(home.toString(), "battery", null) }
        changePassphrase(home.toString(), "correct horse", "battery")
        assertThrows<OpenException.WrongPassphrase> { Footpost.open(config(home), vault) }
        changePassphrase(home.toString(), "battery", null)
        start(home).shutDownAfter { assertEquals(address, it.address()) }
    }

    @Test
    fun a_keystore_keeps_the_key(@TempDir home: Path) = onNodes {
        val vault = Vault.Keystore(MemoryKeystore())
        val address = Footpost.open(config(home), vault).shutDownAfter { it.address() }
        assertTrue((vault.keystore as MemoryKeystore).secret!!.size > 32)
        assertFalse(home.resolve("vault").exists())
        Footpost.open(config(home), vault).shutDownAfter { assertEquals(address, it.address()) }
        val empty = Vault.Keystore(MemoryKeystore())
        assertThrows<OpenException.KeyMissing> { Footpost.open(config(home), empty) }
    }
}
