package org.footpost

import java.nio.file.Path
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** The demo's journey: a message travels from Alice to a carrier, and from the carrier to Bob. */
class JourneyTest {
    @Test
    fun a_stranger_carries_a_message_and_the_writer_learns_that_it_arrived(@TempDir home: Path) = onNodes {
        val alice = start(home.resolve("alice"))
        var bob = start(home.resolve("bob"))
        val bobs = alice.meet(bob, "Bob")
        val alices = bob.meet(alice, "Alice")
        val sent = alice.sendText(bobs, "The bridge is out.")
        assertEquals(DeliveryState.QUEUED, alice.message(sent)!!.state)
        bob.shutdown()

        start(home.resolve("carrier"), alice.listenAddress()).shutDownAfter { carrier ->
            alice.reaches(sent, DeliveryState.CARRIED)
            until { carrier.carries(1) }
            alice.shutdown()

            bob = start(home.resolve("bob"), carrier.listenAddress())
            val message = bob.received()
            assertEquals("The bridge is out." to alices, message.text to message.contact)
            until { carrier.carries(0) }
            bob.shutdown()

            start(home.resolve("alice"), carrier.listenAddress()).shutDownAfter {
                it.reaches(sent, DeliveryState.DELIVERED)
                val delivered = it.message(sent)!!
                assertEquals(1u, delivered.carriers)
                assertNotNull(delivered.deliveredMs)
            }
        }
    }
}
