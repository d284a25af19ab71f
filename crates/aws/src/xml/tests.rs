use super::*;
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;

fn vpcs() -> String {
    response("DescribeVpcs", "5b2cf7ae-0000-4000-8000-000000000001", |x| {
        x.items("vpcSet", ["vpc-1", "vpc-2"], |x, id| {
            x.el("vpcId", id);
            x.el("isDefault", false);
            x.opt("instanceTenancy", Some("default"));
            x.opt("dhcpOptionsId", None::<&str>);
            x.items("tagSet", (id == "vpc-2").then_some("a<b>&\"c'"), |x, key| {
                x.el("key", key);
                x.el("value", "");
            });
        });
    })
}

#[test]
fn an_answer_of_ec2() {
    assert_snapshot!(vpcs().replace("><", ">\n<"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>5b2cf7ae-0000-4000-8000-000000000001</requestId>
    <vpcSet>
    <item>
    <vpcId>vpc-1</vpcId>
    <isDefault>false</isDefault>
    <instanceTenancy>default</instanceTenancy>
    <tagSet/>
    </item>
    <item>
    <vpcId>vpc-2</vpcId>
    <isDefault>false</isDefault>
    <instanceTenancy>default</instanceTenancy>
    <tagSet>
    <item>
    <key>a&lt;b&gt;&amp;&quot;c&apos;</key>
    <value/>
    </item>
    </tagSet>
    </item>
    </vpcSet>
    </DescribeVpcsResponse>
    "#);
}

#[test]
fn an_answer_of_sts_and_of_iam() {
    let answer = query_response(Service::Sts, "GetCallerIdentity", "r-1", |x| {
        x.el("Account", "123456789012");
    });
    assert_snapshot!(answer.replace("><", ">\n<"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
    <GetCallerIdentityResult>
    <Account>123456789012</Account>
    </GetCallerIdentityResult>
    <ResponseMetadata>
    <RequestId>r-1</RequestId>
    </ResponseMetadata>
    </GetCallerIdentityResponse>
    "#);
    let answer = query_response(Service::Iam, "ListAccountAliases", "r-1", |x| {
        x.members("AccountAliases", ["a", "b"], |x, alias| x.text(alias));
    });
    assert_eq!(
        to_json(&answer).unwrap(),
        json!({
            "ListAccountAliasesResult": {"AccountAliases": ["a", "b"]},
            "ResponseMetadata": {"RequestId": "r-1"},
        })
    );
}

#[test]
fn errors_of_both_protocols() {
    let ec2 = error(Service::Ec2, "InvalidVpcID.NotFound", "The vpc ID 'v' does <not>", "r-1");
    assert_snapshot!(ec2.replace("><", ">\n<"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Errors>
    <Error>
    <Code>InvalidVpcID.NotFound</Code>
    <Message>The vpc ID &apos;v&apos; does &lt;not&gt;</Message>
    </Error>
    </Errors>
    <RequestID>r-1</RequestID>
    </Response>
    "#);
    assert_eq!(
        error_of(&ec2),
        Some(("InvalidVpcID.NotFound".into(), "The vpc ID 'v' does <not>".into()))
    );
    let sts = error(Service::Sts, "InvalidClientTokenId", "No.", "r-1");
    assert_snapshot!(sts.replace("><", ">\n<"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
    <Error>
    <Type>Sender</Type>
    <Code>InvalidClientTokenId</Code>
    <Message>No.</Message>
    </Error>
    <RequestId>r-1</RequestId>
    </ErrorResponse>
    "#);
    assert_eq!(error_of(&sts), Some(("InvalidClientTokenId".into(), "No.".into())));
    assert!(error(Service::Iam, "InternalFailure", "", "r").contains("<Type>Receiver</Type>"));
    assert_eq!(error_of(&vpcs()), None);
    assert_eq!(error_of("not xml"), None);
}

#[test]
fn an_answer_reads_back() {
    assert_eq!(
        to_json(&vpcs()).unwrap(),
        json!({
            "requestId": "5b2cf7ae-0000-4000-8000-000000000001",
            "vpcSet": [
                {
                    "vpcId": "vpc-1", "isDefault": "false", "instanceTenancy": "default",
                    "tagSet": []
                },
                {
                    "vpcId": "vpc-2", "isDefault": "false", "instanceTenancy": "default",
                    "tagSet": [{"key": "a<b>&\"c'", "value": ""}]
                },
            ],
        })
    );
}

#[test]
fn white_space_between_elements_and_cdata_are_understood() {
    let xml = "<?xml version='1.0'?>\n<r>\n  <a>1</a>\n  <groups/> <b><![CDATA[<&>]]></b>\n  \
               <Error>x</Error><Error>y</Error></r>\n";
    assert_eq!(
        to_json(xml).unwrap(),
        json!({"a": "1", "groups": [], "b": "<&>", "Error": ["x", "y"]})
    );
}

#[test]
fn what_is_no_answer_is_refused() {
    for xml in [
        "",
        "text",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>text",
        "<a>&unknown;</a>",
        "<a>&#0;</a>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    ] {
        assert!(to_json(xml).is_err(), "{xml}");
    }
    let deep = "<a>".repeat(100) + &"</a>".repeat(100);
    assert!(to_json(&deep).is_err());
}

#[test]
fn a_strange_action_cannot_shape_the_answer() {
    let answer = response("A><x>", "r", |_| {});
    assert!(answer.contains("<AResponse xmlns"), "{answer}");
    assert!(to_json(&answer).is_ok());
}

#[test]
fn illegal_characters_are_left_out() {
    let mut x = Xml::new();
    x.el("a", "1\u{0}2\u{1f}3\u{fffe}4\u{ffff}5\u{fffd}\u{feff}\t\n\r6");
    assert_eq!(x.finish(), "<a>12345\u{fffd}\u{feff}\t\n&#13;6</a>");
}

proptest! {
    #[test]
    fn any_text_reads_back_but_for_illegal_characters(text: String) {
        let mut x = Xml::new();
        x.nest("r", |x| x.el("a", &text));
        let legal: String = text
            .chars()
            .filter(|&c| c >= ' ' || "\t\n\r".contains(c))
            .filter(|&c| c != '\u{fffe}' && c != '\u{ffff}')
            .collect();
        prop_assert_eq!(to_json(&x.finish()).unwrap(), json!({"a": legal}));
    }

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = to_json(&text);
        let _ = error_of(&format!("<Response>{text}</Response>"));
    }
}
