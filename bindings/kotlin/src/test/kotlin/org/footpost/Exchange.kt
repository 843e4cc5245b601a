package org.footpost

import java.nio.file.Files
import kotlin.system.exitProcess
import kotlin.time.DurationUnit
import kotlin.time.measureTime
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking

/**
 * Prints how many seconds it takes to send so many texts of 1 KiB, one after the other, until their
 * reader has read the last: as footpost-bench --exchange does in Rust. The first round, in which the
 * virtual machine warms up, is not counted.
 */
fun main(arguments: Array<String>) {
    val count = arguments[0].toInt()
    val elapsed = runBlocking(Dispatchers.Default) { listOf(count, count).map { exchange(it) }.last() }
    println(elapsed.toDouble(DurationUnit.SECONDS))
    exitProcess(0)
}

private suspend fun exchange(count: Int) =
    Files.createTempDirectory("footpost").let { home ->
        start(home.resolve("alice")).shutDownAfter { alice ->
            start(home.resolve("bob")).shutDownAfter { bob ->
                val bobs = alice.meet(bob, "Bob")
                bob.meet(alice, "Alice")
                bob.dial(alice.listenAddress())
                val text = "x".repeat(1024)
                measureTime {
                    coroutineScope {
                        launch { repeat(count) { alice.sendText(bobs, text) } }
                        val received = bob.events.filterIsInstance<Event.Received>().take(count)
                        received.collect { checkNotNull(bob.message(it.message)) }
                    }
                }
            }
        }.also { home.toFile().deleteRecursively() }
    }
