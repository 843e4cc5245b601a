package org.footpost

import java.nio.charset.CharacterCodingException
import java.nio.file.Path
import java.util.concurrent.ConcurrentLinkedQueue
import kotlin.concurrent.thread
import kotlin.io.path.writeBytes
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.launch
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir

/** What must never bring the host application down. */
class BadInputTest {
    @Test
    fun calls_after_shutdown_are_refused_and_a_second_shutdown_does_nothing(@TempDir home: Path) = onNodes {
        pair(home) {
            it.alice.shutdown()
            it.alice.shutdown()
            assertThrows<NodeException.Closed> { it.alice.card() }
            val error = assertThrows<SendException.Node> { it.alice.sendText(it.bobs, "too late") }
            assertTrue(error.reason is NodeException.Closed)
            it.bob.halt()
            it.bob.halt()
            assertThrows<NodeException.Closed> { it.bob.card() }
        }
        val node = start(home.resolve("third"))
        node.shutdown()
        repeat(2) { node.close() }
        // Kotlin's own error, as for whatever is used after it was closed.
        assertThrows<IllegalStateException> { node.card() }
    }

    @Test
    fun calls_come_from_any_thread(@TempDir home: Path) = onNodes {
        pair(home) {
            val failed = ConcurrentLinkedQueue<Throwable>()
            List(16) { n ->
                thread {
                    try {
                        runBlocking { it.alice.sendText(it.bobs, "thread $n") }
                    } catch (error: Throwable) {
                        failed += error
                    }
                }
            }.forEach(Thread::join)
            assertEquals(emptyList<Throwable>(), failed.toList())
            val sent = it.alice.messages(contact = it.bobs).map { message -> message.text }.toSet()
            assertEquals((0..<16).map { n -> "thread $n" }.toSet(), sent)
        }
    }

    @Test
    fun a_cancelled_call_is_carried_out_all_the_same(@TempDir home: Path) = onNodes {
        pair(home) {
            coroutineScope {
                launch(Dispatchers.Unconfined, CoroutineStart.UNDISPATCHED) { it.alice.sendText(it.bobs, "sent") }
                    .cancel()
            }
            until { it.alice.messages().map { message -> message.text } == listOf("sent") }
        }
    }

    /** A keystore that throws what nobody expects. */
    private object Broken : Keystore {
        override fun load() = error("the phone is locked")

        override fun store(secret: ByteArray) = error("the phone is locked")
    }

    @Test
    fun a_keystore_that_throws_is_an_error_of_opening(@TempDir home: Path) = onNodes {
        val broken = Vault.Keystore(Broken)
        val error = assertThrows<OpenException.Keystore> { Footpost.open(config(home), broken) }
        assertTrue("the phone is locked" in error.details)
        val whole = Vault.Keystore(MemoryKeystore())
        Footpost.open(config(home), whole).shutDownAfter {}
        assertThrows<OpenException.Keystore> { Footpost.open(config(home), broken) }
        Footpost.open(config(home), whole).shutDownAfter {}
    }

    /** A keystore that calls whoever waits for it. */
    private class Curious(private val node: Footpost, private val home: Path) : MemoryKeystore() {
        val errors = mutableListOf<Throwable>()

        override fun store(secret: ByteArray) {
            errors += assertThrows<NodeException.InCallback> { runBlocking { node.stats() } }
            errors += assertThrows<OpenException.InCallback> { start(home) }
            super.store(secret)
        }
    }

    @Test
    fun a_keystore_cannot_call_footpost(@TempDir home: Path) = onNodes {
        start(home.resolve("other")).shutDownAfter {
            val keystore = Curious(it, home.resolve("third"))
            Footpost.open(config(home.resolve("node")), Vault.Keystore(keystore)).shutDownAfter {}
            assertTrue(keystore.errors.size >= 2)
        }
    }

    @Test
    fun a_store_in_use_by_another_process_is_refused(@TempDir home: Path) = onNodes {
        val other = process("hold", home.toString())
        assertEquals("open", other.inputReader().readLine())
        assertThrows<OpenException.InUse> { start(home) }
        other.destroyForcibly().waitFor()
        start(home).shutDownAfter { assertThrows<OpenException.InUse> { start(home) } }
    }

    @Test
    fun a_wrong_key_is_refused(@TempDir home: Path) = onNodes {
        val keystores = listOf("a", "b").map { name ->
            MemoryKeystore().also {
                Footpost.open(config(home.resolve(name)), Vault.Keystore(it)).shutDownAfter {}
            }
        }
        val settings = config(home.resolve("a"))
        assertThrows<OpenException.WrongKey> { Footpost.open(settings, Vault.Keystore(keystores[1])) }
        keystores[1].secret = "short".toByteArray()
        assertThrows<OpenException.Damaged> { Footpost.open(settings, Vault.Keystore(keystores[1])) }
        home.resolve("a/footpost.db").writeBytes(ByteArray(15_000) { 7 })
        assertThrows<OpenException> { Footpost.open(settings, Vault.Keystore(keystores[0])) }
    }

    @Test
    fun a_process_may_die_between_any_two_calls(@TempDir home: Path) = onNodes {
        val card = start(home.resolve("bob")).shutDownAfter { it.card() }
        for (deadline in 0..9) {
            val directory = home.resolve("$deadline")
            val died = process("die", directory.toString(), card, "$deadline")
            val done = died.inputReader().readLines().size
            assertEquals(if (deadline < 9) 9 else 0, died.waitFor())
            assertEquals(minOf(deadline + 1, 9), done)
            start(directory).shutDownAfter {
                assertEquals(if (done >= 2) "Ada" else null, it.name())
                assertEquals(if (done >= 3) 1 else 0, it.contacts().size)
                assertEquals((done - 3).coerceIn(0, 3), it.messages().size)
            }
        }
    }

    @Test
    fun a_process_may_end_without_a_word(@TempDir home: Path) = onNodes {
        repeat(3) { assertEquals(0, process("end", home.toString()).waitFor()) }
    }

    @Test
    fun strings_that_are_empty_huge_or_no_unicode_are_refused(@TempDir home: Path) = onNodes {
        pair(home) {
            val alice = it.alice
            val huge = "a".repeat(1_000_000)
            val card = it.bob.card()
            for (bad in listOf("", huge, "footpost:", "footpost:$huge", card.dropLast(1), "\u0000")) {
                assertThrows<ContactException.Card> { alice.addContact(bad, "Bob") }
                assertThrows<ContactException.Card> { readCard(bad) }
                assertThrows<DialException.Address> { alice.dial(bad) }
                assertThrows<IdentityException.Misread> { alice.revokeIdentity(bad) }
            }
            for (bad in listOf("", huge, "a\nb")) {
                assertThrows<ContactException.Name> { alice.renameContact(it.bobs, bad) }
            }
            assertThrows<SendException.Empty> { alice.sendText(it.bobs, "") }
            val error = assertThrows<SendException.TooLong> { alice.sendText(it.bobs, huge) }
            assertTrue(error.excessBytes in 1uL..<huge.length.toULong())
            for (bad in listOf("", huge)) {
                assertThrows<SendException.ContentType> { alice.sendBytes(it.bobs, bad, ByteArray(0)) }
                assertThrows<SendException> { alice.sendFile(it.bobs, home.toString(), bad, "a/b") }
                assertThrows<OpenException> { start(Path.of(bad)) }
            }
            assertTrue(alice.search(huge).messages.isEmpty())
            assertThrows<CharacterCodingException> { alice.sendText(it.bobs, "\ud800") }
            assertThrows<OpenException.Config> {
                Footpost.open(config(home.resolve("c"), listen = "nowhere"), Vault.Open)
            }
            alice.sendBytes(it.bobs, "a/b", ByteArray(0))
            assertEquals("a/b", (alice.messages().last().content as Content.Application).contentType)
        }
    }

    @Test
    fun numbers_of_nothing_are_refused(@TempDir home: Path) = onNodes {
        start(home).shutDownAfter {
            for (number in listOf(0, -1, Long.MAX_VALUE, Long.MIN_VALUE)) {
                assertThrows<SendException.UnknownContact> { it.sendText(number, "hello") }
                assertThrows<ContactException.Unknown> { it.removeContact(number) }
                assertNull(it.message(number))
                assertEquals(emptyList<Message>(), it.messages(contact = number))
                it.markSeen(number)
            }
            assertEquals(emptyList<Message>(), it.messages(limit = 0u))
        }
    }
}
