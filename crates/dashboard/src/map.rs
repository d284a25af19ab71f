//! The map and the matrix: networks and what joins them, as a picture and as a table.
//!
//! [`Map::of`] takes from a world what a viewer's own APIs would show them. From that alone the
//! pictures follow: what is drawn and in which order (`select`), where everything stands (`wide`,
//! `narrow`), and how an SVG says it (`svg`). The same map is the same picture, at a cost of
//! O(n log n). [`Matrix::of`] asks the model about packets, within a bound.

mod asked;
mod frame;
mod judge;
mod lanes;
mod links;
mod matrix;
mod narrow;
mod page;
mod pane;
mod rows;
mod scene;
mod select;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod trace;
mod wide;
mod words;
mod world;

pub use asked::{Asked, GroupId};
pub use matrix::{Cell, Head, Matrix, Part};
pub use page::{map, matrix};
pub use scene::{
    Chosen, End, Health, Kind, Map, Node, Passage, Peering, Place, Point, Sign, Subnet, SubnetRole,
};
