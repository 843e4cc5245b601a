//! footpost-transports
