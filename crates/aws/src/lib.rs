//! Pure wire code of the EC2 Query protocol: parameters, XML, SigV4 both ways.
//!
//! EC2 speaks HTTP forms and answers in XML; STS and IAM speak the same dialect with another
//! frame. This crate reads and writes those bytes, for a server and for a client, and knows
//! nothing of what they mean: no IO, no clock, no resource.
//!
//! - [`params`]: a form becomes a tree that remembers which of its names were read.
//! - [`filter`]: the `Filter.N` of a Describe action, matched against a resource.
//! - [`paging`]: `MaxResults` and `NextToken`.
//! - [`xml`]: answers and errors, written and read back.
//! - [`sigv4`]: signatures, made and verified by one code.
//!
//! ```
//! use causeway_aws as aws;
//!
//! let params = aws::params::Params::parse(b"Action=DescribeVpcs&VpcId.1=vpc-1").unwrap();
//! assert_eq!(params.get("Action"), Some("DescribeVpcs"));
//! let ids: Vec<&str> = params.list("VpcId").collect();
//! let answer = aws::xml::response("DescribeVpcs", "req-1", |x| {
//!     x.items("vpcSet", ids, |x, id| x.el("vpcId", id));
//! });
//! assert!(answer.contains("<vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet>"));
//! assert_eq!(params.unused(), None);
//! ```

#![warn(unreachable_pub)]

pub mod filter;
#[cfg(test)]
mod fuzz;
pub mod paging;
pub mod params;
pub mod percent;
pub mod sigv4;
pub mod xml;
