//! The hosts for which clients ask no proxy: the server's are added to those that the user named, and
//! taken out of them again.

/// A variable with such hosts, separated by commas, and the variable that keeps which of them `env`
/// has added, so that `env --unset` leaves the user's own.
const VARIABLES: [(&str, &str); 2] = [
    ("NO_PROXY", "CAUSEWAY_ADDED_TO_NO_PROXY"),
    // Some clients read the small letters alone, but only where they are there.
    ("no_proxy", "CAUSEWAY_ADDED_TO_no_proxy"),
];

/// A variable, and its new value; none takes the variable away.
pub(super) type Change = (&'static str, Option<String>);

/// Reads a variable of the environment.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What adds a server's host.
pub(super) fn add(host: &str, variables: Variables<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, note) in VARIABLES {
        let given = variables(name);
        if given.is_none() && name != VARIABLES[0].0 {
            continue;
        }
        let given = given.unwrap_or_default();
        let before = variables(note).unwrap_or_default();
        let mut hosts = split(&given);
        // What an earlier call has added is still ours.
        let mut added: Vec<&str> = split(&before);
        added.retain(|host| hosts.contains(host));
        for ours in ["localhost", "127.0.0.1", host] {
            if !hosts.contains(&ours) && !hosts.contains(&"*") {
                hosts.push(ours);
                added.push(ours);
            }
        }
        changes.push((name, Some(hosts.join(","))));
        if !added.is_empty() {
            changes.push((note, Some(added.join(","))));
        }
    }
    changes
}

/// What takes our hosts out again.
pub(super) fn remove(variables: Variables<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, note) in VARIABLES {
        let Some(added) = variables(note) else { continue };
        changes.push((note, None));
        let Some(given) = variables(name) else { continue };
        let mut hosts = split(&given);
        hosts.retain(|host| !split(&added).contains(host));
        changes.push((name, (!hosts.is_empty()).then(|| hosts.join(","))));
    }
    changes
}

fn split(list: &str) -> Vec<&str> {
    list.split([',', ' ']).map(str::trim).filter(|host| !host.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Environment = BTreeMap<String, String>;

    fn apply(environment: &mut Environment, change: impl Fn(Variables<'_>) -> Vec<Change>) {
        for (name, value) in change(&|name| environment.get(name).cloned()) {
            match value {
                Some(value) => environment.insert(name.to_owned(), value),
                None => environment.remove(name),
            };
        }
    }

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn added(given: &str, host: &str) -> String {
        let mut environment = environment(&[("NO_PROXY", given)]);
        apply(&mut environment, |variables| add(host, variables));
        let once = environment.clone();
        apply(&mut environment, |variables| add(host, variables));
        assert_eq!(environment, once, "once is enough");
        environment["NO_PROXY"].clone()
    }

    #[test]
    fn our_hosts_are_added_to_those_that_are_given() {
        assert_eq!(added("", "127.0.0.1"), "localhost,127.0.0.1");
        assert_eq!(added("", "10.0.0.5"), "localhost,127.0.0.1,10.0.0.5");
        assert_eq!(
            added("corp.example, localhost", "127.0.0.1"),
            "corp.example,localhost,127.0.0.1"
        );
        assert_eq!(added("*", "127.0.0.1"), "*");
    }

    #[test]
    fn what_was_there_before_is_there_again() {
        for before in [
            &[][..],
            &[("NO_PROXY", "corp.example")],
            &[("NO_PROXY", "corp.example,localhost")],
            &[("NO_PROXY", "localhost,127.0.0.1")],
            &[("NO_PROXY", "*")],
            &[("NO_PROXY", "a.b"), ("no_proxy", "localhost,c.d")],
            &[("no_proxy", "c.d")],
        ] {
            let before = environment(before);
            let mut environment = before.clone();
            // Another server in between is forgotten too.
            for host in ["10.0.0.5", "127.0.0.1", "127.0.0.1"] {
                apply(&mut environment, |variables| add(host, variables));
            }
            assert!(environment["NO_PROXY"].contains(['1', '*']), "{environment:?}");
            apply(&mut environment, remove);
            assert_eq!(environment, before);
        }
    }

    #[test]
    fn what_the_user_adds_meanwhile_stays() {
        let mut environment = environment(&[]);
        apply(&mut environment, |variables| add("127.0.0.1", variables));
        environment.get_mut("NO_PROXY").unwrap().push_str(",corp.example");
        apply(&mut environment, remove);
        assert_eq!(environment, self::environment(&[("NO_PROXY", "corp.example")]));
    }
}
