//! Names: a resolver in every VPC, and the answers about the platform's domain to everybody.

pub(crate) mod answer;
pub(crate) mod figures;
pub(crate) mod forward;
#[cfg(test)]
mod fuzz;
pub(crate) mod known;
pub(crate) mod serve;

#[cfg(test)]
mod tests;
