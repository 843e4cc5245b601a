package org.footpost

import java.nio.file.Path
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir

/** Oneself and others. */
class PeopleTest {
    @Test
    fun a_new_node_has_an_address_and_a_card_that_others_can_read(@TempDir home: Path) = onNodes {
        start(home).shutDownAfter {
            it.setName("Ada")
            val owner = readCard(it.card())
            assertEquals(it.address(), owner.address)
            assertEquals(56, owner.address.length)
            assertEquals("Ada" to "Ada", owner.name to it.name())
        }
    }

    @Test
    fun a_card_is_drawn_as_a_qr_code(@TempDir home: Path) = onNodes {
        start(home).shutDownAfter { node ->
            val picture = node.cardQr(modulePixels = 2u)
            val side = picture.side.toInt()
            val dark = picture.bytes.map { it == 0.toByte() }
            assertEquals(side * side, dark.size)
            assertTrue(dark.subList(0, side).none { it })
            // The corner of a finder: seven dark modules, and one that is light.
            val corner = dark.subList(8 * side + 8, 8 * side + 8 + 16)
            assertEquals(List(14) { true } + listOf(false, false), corner)
            assertTrue(node.cardQr(modulePixels = 1u).side < picture.side)
        }
    }

    @Test
    fun a_stranger_asks_first_and_is_accepted_or_blocked(@TempDir home: Path) = onNodes {
        start(home.resolve("alice")).shutDownAfter { alice ->
            start(home.resolve("bob"), alice.listenAddress()).shutDownAfter { bob ->
                val bobs = alice.meet(bob, "Bob")
                alice.sendText(bobs, "it is me")
                val stranger = bob.event<Event.Requested>().contact
                assertEquals(Relation.REQUEST, bob.contact(stranger).relation)
                assertThrows<SendException.NotAccepted> { bob.sendText(stranger, "who?") }
                bob.acceptRequest(stranger)
                bob.sendText(stranger, "come in")
                assertEquals("come in", alice.received().text)
                assertThrows<ContactException.NoRequest> { bob.declineRequest(stranger) }
                bob.blockContact(stranger)
                assertEquals(Relation.BLOCKED, bob.contact(stranger).relation)
            }
        }
    }

    @Test
    fun a_contact_is_renamed_muted_verified_and_removed(@TempDir home: Path) = onNodes {
        pair(home) {
            val alice = it.alice
            assertEquals(alice.safetyNumber(it.bobs), it.bob.safetyNumber(it.alices))
            alice.renameContact(it.bobs, "Robert")
            alice.muteContact(it.bobs, true)
            alice.verifyContact(it.bobs)
            val contact = alice.contact(it.bobs)
            assertEquals(Triple("Robert", true, true), Triple(contact.name, contact.muted, contact.verified))
            alice.removeContact(it.bobs)
            assertEquals(emptyList<Contact>(), alice.contacts())
            val error = assertThrows<ContactException.Unknown> { alice.contact(it.bobs) }
            assertEquals("there is no such contact", error.explanation())
        }
    }

    @Test
    fun an_identity_is_rotated_revoked_and_ended_with_the_words(@TempDir home: Path) = onNodes {
        start(home.resolve("alice")).shutDownAfter { alice ->
            val first = alice.createWords().joinToString(" ")
            assertThrows<IdentityException.WordsExist> { alice.createWords() }
            val words = alice.replaceWords(first).joinToString(" ")
            start(home.resolve("bob"), alice.listenAddress()).shutDownAfter { bob ->
                val bobs = alice.meet(bob, "Bob")
                val alices = bob.meet(alice, "Alice")
                bob.verifyContact(alices)
                suspend fun follows() = bob.contact(alices).address == alice.address()

                val old = alice.address()
                alice.rotateIdentity(words)
                assertNotEquals(old, alice.address())
                until { follows() }
                val contact = bob.contact(alices)
                assertEquals(true to null, contact.verified to contact.warning)
                assertThrows<IdentityException.WrongWords> { alice.revokeIdentity(first) }
                alice.revokeIdentity(words)
                until { follows() }
                alice.endIdentity(words)
                assertTrue(alice.hasEnded())
                assertThrows<SendException.Ended> { alice.sendText(bobs, "too late") }
                val told = bob.event<Event.KeyWarning>()
                assertEquals(alices to KeyWarning.REVOKED, told.contact to told.warning)
            }
        }
    }
}
