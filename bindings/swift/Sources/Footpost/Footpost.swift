// The API is what UniFFI makes from Rust, and what the files beside this one add to it.
@_exported import FootpostGenerated
