//! Names: a resolver in every VPC, and the answers about the platform's domain to everybody.

pub mod answer;
pub mod forward;
pub mod known;
pub mod serve;

#[cfg(test)]
mod tests;
