//! What every fabric must do, whatever carries its packets: worlds at random, and the packets of their interfaces,
//! each of which does what `reach` says of it. The tests of each fabric have this for a module of theirs.

mod interfaces;
pub mod trials;
pub mod ways;
pub mod world;
