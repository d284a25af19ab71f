//! Tests of peering and of the platform's half.

mod fixture;
mod identity;
mod peering;
