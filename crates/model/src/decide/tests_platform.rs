//! Tests of peering and of the platform's half.

mod app;
mod fixture;
mod identity;
mod life_cycle;
mod peering;
mod release;
mod space;
mod space_access;
mod system;
