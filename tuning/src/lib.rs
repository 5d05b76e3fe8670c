//! Sizing for presence: the user models that the load generator plays. Hardware profiles, traffic, sizing and host
//! checks come later.
//!
//! The models are data, not code: files in `users/`, each key with its unit and the document it was read in, embedded
//! in the program. Nothing here runs on a shard's core or costs anything while one runs.

#![forbid(unsafe_code)]

pub mod users;
