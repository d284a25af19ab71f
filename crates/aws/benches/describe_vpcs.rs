//! What the wire code costs of one `DescribeVpcs`: parameters, signature, filters, answer.
#![expect(clippy::print_stdout, reason = "a benchmark reports")]

use std::hint::black_box;
use std::time::Instant;

use causeway_aws::filter::{Filters, tag_values};
use causeway_aws::paging::{Paging, page};
use causeway_aws::params::Params;
use causeway_aws::sigv4::{Authorization, Credentials, SignedRequest, SigningKey, sha256, sign};
use causeway_aws::xml;

const NOW: i64 = 1_769_862_896_000;
const ROUNDS: u32 = 200_000;
const BODY: &[u8] = b"Action=DescribeVpcs&Version=2016-11-15&Filter.1.Name=tag%3AName\
    &Filter.1.Value.1=blue*";

fn main() {
    let base: [(&str, &[u8]); 3] = [
        ("host", b"127.0.0.1:4880"),
        ("content-type", b"application/x-www-form-urlencoded; charset=utf-8"),
        ("user-agent", b"aws-cli/2"),
    ];
    let unsigned = SignedRequest {
        method: "POST",
        path: "/",
        query: "",
        headers: &base,
        body_sha256: sha256(BODY),
    };
    let credentials = Credentials {
        access_key: "AKIACAUSEWAYTEST0001".into(),
        secret: "for-tests-only".into(),
        session_token: None,
    };
    let added = sign(&unsigned, &credentials, "eu-west-1", "ec2", NOW).expect("host is there");
    let mut headers = base.to_vec();
    headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
    let key = SigningKey::derive("for-tests-only", "20260131", "eu-west-1", "ec2");

    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(answer(black_box(&headers), black_box(BODY), &key));
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("parse + verify + answer of DescribeVpcs: {:.0}/s", f64::from(ROUNDS) / seconds);
}

fn answer(headers: &[(&str, &[u8])], body: &[u8], key: &SigningKey) -> String {
    let request =
        SignedRequest { method: "POST", path: "/", query: "", headers, body_sha256: sha256(body) };
    let claim = Authorization::parse(&request, NOW).expect("it was signed");
    claim.verify(&request, key).expect("it was signed with this key");
    let params = Params::parse(body).expect("it is a form");
    assert_eq!(
        params.get("Action").zip(params.get("Version")).map(|(a, _)| a),
        Some("DescribeVpcs")
    );
    let filters = Filters::parse(&params).expect("they are valid");
    let paging = Paging::parse(&params, "DescribeVpcs", 5..=1000, Some("VpcId")).expect("valid");
    params.refuse_unused().expect("all were read");
    let matching = ["vpc-0123456789abcdef0"].into_iter().filter(|_| {
        filters.matches(|name| tag_values(name, [("Name", "blue one")])).unwrap_or(false)
    });
    let (vpcs, next) = page(matching, |id| (*id).to_owned(), &paging);
    xml::response("DescribeVpcs", "5b2cf7ae-0000-4000-8000-000000000001", |x| {
        x.items("vpcSet", vpcs, |x, id| {
            x.el("vpcId", id);
            x.el("ownerId", "123456789012");
            x.el("state", "available");
            x.el("cidrBlock", "10.0.0.0/16");
            x.items("cidrBlockAssociationSet", ["10.0.0.0/16"], |x, block| {
                x.el("cidrBlock", block);
                x.el("associationId", "vpc-cidr-assoc-0123456789abcdef0");
                x.nest("cidrBlockState", |x| x.el("state", "associated"));
            });
            x.el("dhcpOptionsId", "dopt-0123456789abcdef0");
            x.el("instanceTenancy", "default");
            x.el("isDefault", false);
            x.items("tagSet", [("Name", "blue one")], |x, (key, value)| {
                x.el("key", key);
                x.el("value", value);
            });
        });
        x.opt("nextToken", next.as_deref());
    })
}
