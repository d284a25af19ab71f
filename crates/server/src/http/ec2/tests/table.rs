use aws::xml::Service;

use crate::http::ec2::{ACTIONS, find};

#[test]
fn the_table_is_sorted_and_every_action_is_found() {
    assert!(ACTIONS.is_sorted_by(|a, b| a.1 < b.1), "the search halves the table");
    for (service, name, _) in ACTIONS {
        assert!(find(*service, service.version(), name).is_ok(), "{name}");
    }
}

#[test]
fn unknown_actions_and_versions_are_refused() {
    let error = find(Service::Ec2, "2016-11-15", "LaunchRocket").unwrap_err();
    assert_eq!(error.code, "InvalidAction");
    assert_eq!(error.message, "The action LaunchRocket is not valid for this web service.");
    assert_eq!(find(Service::Sts, "2011-06-15", "DescribeVpcs").unwrap_err().code, "InvalidAction");
    assert!(find(Service::Ec2, "2014-10-01", "DescribeVpcs").is_ok());
    for version in [
        "1999-01-01",
        "2013-12-31",
        "2014-10-02",
        "2016-11-16",
        "2016-1-15",
        "20161115xx",
        "",
        "é016-11-1",
    ] {
        let error = find(Service::Ec2, version, "DescribeVpcs").unwrap_err();
        assert_eq!(error.code, "NoSuchVersion", "{version}");
    }
    assert!(find(Service::Iam, "2011-06-15", "GetUser").is_err());
}
