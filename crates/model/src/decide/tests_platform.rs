//! Tests of peering and of the platform's half.

mod addon;
mod app;
mod code;
mod domain;
mod events;
mod fit;
mod fixture;
mod handover;
mod identity;
mod life_cycle;
mod peering;
mod quota;
mod random;
mod random_people;
mod release;
mod release_queue;
mod sending;
mod shop;
mod snapshot;
mod space;
mod space_access;
mod sts;
mod subject;
mod system;
