//! What EC2, STS and IAM have, by botocore's model: actions, and the parameters and filters of those that Causeway
//! has. `tests/tools/ec2-model surface` writes `surface.txt`, and checks it where botocore is installed.

use std::sync::LazyLock;

use aws::xml::Service;

use crate::http::ec2::ACTIONS;

/// All actions, in alphabetical order.
pub(super) static SURFACE: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let mut entries: Vec<Entry> = Vec::new();
    for line in include_str!("surface.txt").lines() {
        let mut words = line.split_whitespace();
        if !line.starts_with(' ') {
            let (service, action) = (words.next().unwrap(), words.next().unwrap());
            let service = Service::of_scope(service).unwrap();
            entries.push(Entry { service, action, parameters: vec![], filters: None });
            continue;
        }
        let entry = entries.last_mut().expect("an action comes first");
        match (words.next().unwrap(), words.next()) {
            ("filters", first) => entry.filters = Some(first.into_iter().chain(words).collect()),
            (name, kind) => entry.parameters.push((name, kind.unwrap())),
        }
    }
    entries
});

/// An action.
pub(super) struct Entry {
    pub service: Service,
    pub action: &'static str,
    /// The names of its parameters that have a value, and what that is: `:type`, or `=word`, one of those that
    /// it may be. `Name[]` stands for `Name.N`.
    pub parameters: Vec<(&'static str, &'static str)>,
    /// The names of its filters, if it has filters, without `tag:KEY`.
    pub filters: Option<Vec<&'static str>>,
}

/// The entry of an action.
pub(super) fn of(action: &str) -> &'static Entry {
    let entry = SURFACE.iter().find(|entry| entry.action == action);
    entry.unwrap_or_else(|| panic!("surface.txt has no {action}; {WRITE}"))
}

/// How the file is written anew.
pub(super) const WRITE: &str = "run .tools/py/bin/python tests/tools/ec2-model surface --write crates/server/src/http/ec2/tests/surface.txt";

#[test]
fn every_action_of_the_table_is_known_with_its_parameters() {
    let without = ["GetAccountSummary", "GetCallerIdentity"];
    for (service, action, _) in ACTIONS {
        let entry = of(action);
        assert_eq!(entry.service, *service, "{action}");
        assert!(!entry.parameters.is_empty() || without.contains(action), "{action}: {WRITE}");
    }
}
