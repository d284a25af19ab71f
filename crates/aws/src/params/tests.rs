use super::*;
use proptest::prelude::*;

fn parse(form: &str) -> Params {
    Params::parse(form.as_bytes()).unwrap()
}

fn refusal(form: &str) -> String {
    let error = Params::parse(form.as_bytes()).unwrap_err();
    assert_eq!(error.code(), "MalformedQueryString");
    error.to_string()
}

#[test]
fn lists_are_in_numeric_order_with_gaps_and_old_spellings() {
    let params =
        parse("VpcId.10=j&VpcId.2=b&VpcId.1=a&SubnetId=old&Tags.member.2=y&Tags.member.1=x");
    assert_eq!(params.list("VpcId").collect::<Vec<_>>(), ["a", "b", "j"]);
    assert_eq!(params.list("SubnetId").collect::<Vec<_>>(), ["old"]);
    assert_eq!(params.list("Tags").collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(params.list("Absent").count(), 0);
    assert_eq!(params.unused(), None);
}

#[test]
fn structures_nest() {
    let params = parse(
        "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.IpRanges.2.CidrIp=10.0.0.0%2F8\
         &IpPermissions.1.IpRanges.1.CidrIp=10.1.0.0/16&IpPermissions.2.IpProtocol=-1",
    );
    let first = params.structs("IpPermissions").next().unwrap();
    let ranges: Vec<_> =
        first.structs("IpRanges").map(|range| range.required("CidrIp").unwrap()).collect();
    assert_eq!(ranges, ["10.1.0.0/16", "10.0.0.0/8"]);
    assert_eq!(params.get("IpPermissions.1.IpRanges.2.CidrIp"), Some("10.0.0.0/8"));
    let error = first.integer("FromPort", 0..=65535).unwrap();
    assert_eq!(error, None);
    assert_eq!(
        first.required("FromPort").unwrap_err().to_string(),
        "The request must contain the parameter IpPermissions.1.FromPort"
    );
    assert_eq!(params.unused().as_deref(), Some("IpPermissions.1.IpProtocol"));
}

#[test]
fn typed_values_are_checked() {
    let params = parse("A=TRUE&B=yes&N=70000&M=7&X=12x&E=");
    assert_eq!(params.bool("A"), Ok(Some(true)));
    assert_eq!(
        params.bool("B").unwrap_err().to_string(),
        "Value (yes) for parameter b is invalid. Expecting true or false."
    );
    assert_eq!(params.bool("B").unwrap_err().code(), "InvalidParameterValue");
    assert_eq!(
        params.integer("N", 0..=65535).unwrap_err().to_string(),
        "Value (70000) for parameter n is invalid. Expecting an integer between 0 and 65535."
    );
    assert_eq!(params.integer("M", 0..=65535), Ok(Some(7)));
    assert!(params.integer("X", 0..=99).is_err());
    assert_eq!(params.integer("Absent", 0..=99), Ok(None));
    assert_eq!(params.required("E").unwrap_err().code(), "MissingParameter");
}

#[test]
fn the_canonical_form_knows_names_and_values_alone() {
    let canonical = |form: &str| {
        let bytes = parse(form).canonical(|name| name == "ClientToken");
        String::from_utf8(bytes).unwrap()
    };
    let form = "VpcId=vpc-1&Tag.10.Key=b&Tag.2.Key=a+c&ClientToken=once&Empty";
    assert_eq!(canonical(form), "Empty=&Tag.2.Key=a%20c&Tag.10.Key=b&VpcId=vpc-1&");
    let other = "Tag.2.Key=%61%20c&ClientToken=twice&Empty=&VpcId=vpc-1&Tag.10.Key=b";
    assert_eq!(canonical(other), canonical(form));
    // No value can be taken for another parameter.
    assert_ne!(canonical("A=1%26B%3D2"), canonical("A=1&B=2"));
    assert_eq!(canonical("ClientToken=once"), "");
}

#[test]
fn what_nobody_read_is_named() {
    let params = parse("Action=A&Versoin=2&X-Amz-Date=1&Tag.1.Key=k&Tag.1.Value=v&VpcId.0=z");
    assert_eq!(params.get("Action"), Some("A"));
    assert_eq!(params.unused().as_deref(), Some("Tag.1.Key"));
    assert_eq!(params.get("Tag.1.Key"), Some("k"));
    assert_eq!(params.unused().as_deref(), Some("Tag.1.Value"));
    assert_eq!(params.get("Tag.1.Value"), Some("v"));
    assert_eq!(params.unused().as_deref(), Some("Versoin"));
    assert_eq!(params.get("Versoin"), Some("2"));
    let error = params.refuse_unused().unwrap_err();
    assert_eq!(error, ParamError::Unknown { name: "VpcId.0".into() });
    assert_eq!(error.code(), "UnknownParameter");
}

#[test]
fn a_leading_zero_is_not_an_index() {
    let params = parse("VpcId.1=a&VpcId.01=b");
    assert_eq!(params.list("VpcId").collect::<Vec<_>>(), ["a"]);
    assert_eq!(params.unused().as_deref(), Some("VpcId.01"));
}

#[test]
fn bad_forms_are_refused() {
    assert!(refusal("A=1&A=2").contains("A is given twice"));
    assert!(refusal("A=%ff").contains("UTF-8"));
    assert!(refusal("A=%4").contains('%'));
    assert!(refusal("A..B=1").contains("empty part"));
    assert!(refusal("=1").contains("empty part"));
    assert!(refusal("A.10001=1").contains("above 10000"));
    assert!(refusal("A.99999999999=1").contains("above 10000"));
    assert!(refusal("a.b.c.d.e.f.g.h.i.j.k=1").contains("10 parts"));
    let many: Vec<String> = (0..=MAX_PARAMS).map(|n| format!("P{n}=1")).collect();
    assert!(refusal(&many.join("&")).contains("10000 parameters"));
    parse(&many[1..].join("&"));
    parse("a.b.c.d.e.f.g.h.i.10000=1");
}

#[test]
fn the_query_and_the_body_are_one() {
    let mut params = parse("Action=A");
    params.extend(b"VpcId=v").unwrap();
    assert_eq!(params.get("VpcId"), Some("v"));
    assert!(params.extend(b"Action=B").is_err());
}

#[test]
fn debug_and_errors_do_not_repeat_everything() {
    let params = parse("Secret=hunter2&Long=x");
    assert!(!format!("{params:?}").contains("hunter2"));
    let error = params.invalid("Long", &"é".repeat(10_000), "why");
    assert!(error.to_string().len() < 1_000);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(form: Vec<u8>) {
        if let Ok(params) = Params::parse(&form) {
            let _ = params.unused();
            let _ = format!("{params:?}");
        }
    }

    #[test]
    fn agrees_with_the_url_standard(
        pairs in prop::collection::btree_map("[a-zA-Z]{1,9}", "[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\u{fffe}\\u{ffff}]*", 0..9),
    ) {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        let params = Params::parse(form.as_bytes()).unwrap();
        for (name, value) in &pairs {
            prop_assert_eq!(params.get(name), Some(value.as_str()));
        }
        prop_assert_eq!(params.unused(), None);
    }
}

#[test]
fn what_xml_cannot_hold_is_refused_before_it_is_kept() {
    for wrong in ["%00", "a%07b", "%1B%5B31m", "%EF%BF%BE", "%EF%BF%BF"] {
        let error = Params::parse(format!("Tag.1.Value={wrong}").as_bytes()).unwrap_err();
        assert_eq!(error.code(), "InvalidParameterValue", "{wrong}");
        assert!(error.to_string().contains("Tag.1.Value"), "{error}");
    }
    let kept = Params::parse(b"V=%09%0A%0D%7F%C2%85%EF%BF%BD%F0%9F%98%80").unwrap();
    assert_eq!(kept.get("V"), Some("\t\n\r\u{7f}\u{85}\u{fffd}\u{1f600}"));
}
