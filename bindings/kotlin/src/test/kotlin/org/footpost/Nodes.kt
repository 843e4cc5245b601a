package org.footpost

import java.nio.file.Path
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout

/** Longer than anything here takes. */
val SOON: Duration = 60.seconds

/** A node that is found by its address alone, acknowledges at once, and asks for no work. */
fun config(
    directory: Path,
    listen: String = "127.0.0.1:0",
    peers: List<String> = emptyList(),
    maxCarriedBytes: ULong? = null,
) = Config(
    directory = directory.toString(),
    listen = listen,
    peers = peers,
    lan = false,
    maxCarriedBytes = maxCarriedBytes,
    ackDelayMaxMs = 0u,
    simulated = true,
)

fun start(directory: Path, vararg peers: String) =
    Footpost.open(config(directory, peers = peers.toList()), Vault.Open)

/** Runs a test for as long as tests may take. */
fun onNodes(test: suspend CoroutineScope.() -> Unit) =
    runBlocking(Dispatchers.Default) { withTimeout(SOON * 3, test) }

/** Shuts the node down in order, whatever happens. */
suspend fun <R> Footpost.shutDownAfter(block: suspend (Footpost) -> R): R =
    try {
        block(this)
    } finally {
        shutdown()
        close()
    }

/** Gives `this` the card of `whom`. */
suspend fun Footpost.meet(whom: Footpost, name: String) = addContact(whom.card(), name)

class Pair(val alice: Footpost, val bob: Footpost, val bobs: Long, val alices: Long)

/** Alice and Bob, connected, and what each calls the other. */
suspend fun pair(home: Path, block: suspend (Pair) -> Unit) {
    start(home.resolve("alice")).shutDownAfter { alice ->
        start(home.resolve("bob"), alice.listenAddress()).shutDownAfter { bob ->
            block(Pair(alice, bob, alice.meet(bob, "Bob"), bob.meet(alice, "Alice")))
        }
    }
}

/** Waits for the first event that is wanted. */
suspend inline fun <reified E : Event> Footpost.event(crossinline wanted: (E) -> Boolean = { true }) =
    withTimeout(SOON) { events.first { it is E && wanted(it) } as E }

/** Waits for the next message that comes in. */
suspend fun Footpost.received(): Message = message(event<Event.Received>().message)!!

/** Waits until a message has come so far. */
suspend fun Footpost.reaches(message: Long, state: DeliveryState) {
    event<Event.Progress> { it.message == message && it.state == state }
}

/** Waits until something holds that no event tells. */
suspend fun until(condition: suspend () -> Boolean) =
    withTimeout(SOON) { while (!condition()) delay(10.milliseconds) }

suspend fun Footpost.carries(envelopes: Int) = stats().foreignEnvelopes == envelopes.toULong()

val Message.text: String
    get() = (content as Content.Text).text

/** A keystore that forgets when its process does. */
open class MemoryKeystore : Keystore {
    var secret: ByteArray? = null

    override fun load() = secret

    override fun store(secret: ByteArray) {
        this.secret = secret
    }
}
