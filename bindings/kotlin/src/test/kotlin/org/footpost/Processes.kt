package org.footpost

import java.nio.file.Path
import kotlin.system.exitProcess

/** A process of its own on the same classes; `java -cp … org.footpost.ProcessesKt WHAT ARGUMENTS`. */
fun process(vararg arguments: String): Process {
    val java = Path.of(System.getProperty("java.home"), "bin", "java").toString()
    val classes = System.getProperty("surefire.test.class.path") ?: System.getProperty("java.class.path")
    val command = listOf(java, "-cp", classes, "org.footpost.ProcessesKt") + arguments
    return ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start()
}

fun main(arguments: Array<String>) {
    when (arguments[0]) {
        "hold" -> {
            start(Path.of(arguments[1]))
            println("open")
            System.`in`.read()
        }
        "die" -> onNodes { live(Path.of(arguments[1]), arguments[2], arguments[3].toInt()) }
        "end" -> {
            val node = start(Path.of(arguments[1]))
            onNodes { repeat(20) { node.stats() } }
        }
    }
    exitProcess(0)
}

/** Does one thing after the other, and dies without a word after so many. */
private suspend fun live(home: Path, card: String, deadline: Int) {
    var calls = 0
    fun <T> done(result: T): T {
        println("done")
        if (calls == deadline) ProcessHandle.current().let { Runtime.getRuntime().halt(9) }
        calls += 1
        return result
    }
    val node = done(start(home))
    done(node.setName("Ada"))
    val bob = done(node.addContact(card, "Bob"))
    repeat(3) { n -> done(node.sendText(bob, "message $n")) }
    done(node.createWords())
    done(node.setPowerMode(PowerMode.LEAVING))
    done(node.shutdown())
}
