//! Postmarks under load, attack and restart.
