//! Tests of peering and of the platform's half.

mod addon;
mod app;
mod domain;
mod fixture;
mod handover;
mod identity;
mod life_cycle;
mod peering;
mod random;
mod release;
mod shop;
mod space;
mod space_access;
mod system;
