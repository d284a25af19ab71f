//! Tests of the rules of EC2's side: what each refuses, and what nothing may ever break.

mod fixture;
mod vpc;
