//! Makes the Kotlin, Swift and Python of Footpost from its library. A crate of its own, so that what it
//! needs stays off phones.

fn main() {
    uniffi::uniffi_bindgen_main();
}
