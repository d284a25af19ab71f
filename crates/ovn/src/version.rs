//! Which OVN it is.

use ovsdb::Database;

/// The oldest release that does all that networks need.
const OLDEST: (u32, u32) = (25, 3);

/// Finds out whether `ovn-northd` is new enough, from the northbound database.
///
/// # Errors
///
/// It is not, or does not say what it is, in words.
pub(crate) fn require(northbound: &Database) -> Result<String, String> {
    let (_, global) = northbound
        .rows("NB_Global")
        .next()
        .ok_or("the northbound database has no row of NB_Global: `ovn-nbctl init` makes it")?;
    let said = global.text_of_key("options", "northd_internal_version").unwrap_or_default();
    check(said)
}

fn check(said: &str) -> Result<String, String> {
    if said.is_empty() {
        return Err("ovn-northd has not said yet which release it is: see that it runs".to_owned());
    }
    let release = said.split('-').next().unwrap_or_default();
    let mut numbers = release.split('.').map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(year), Some(month)) if (year, month) >= OLDEST => Ok(release.to_owned()),
        _ => Err(format!(
            "ovn-northd is of OVN {release}, and 25.03 is the oldest that has chains of router policies, for network \
             ACLs, and ends connections that no rule allows any more: Debian 13 and Ubuntu 26.04 have it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn older_releases_are_refused() {
        for (said, release) in [("25.03.0-20.41.0-80.0", "25.03.0"), ("26.03.1-1-2", "26.03.1")] {
            assert_eq!(check(said).as_deref(), Ok(release));
        }
        for old in ["23.03.1-20.27.0-72.0", "24.09.2-1", "25.02-1", "x", "25", ""] {
            let refused = check(old).unwrap_err();
            let is_told = refused.contains("25.03") || refused.contains("has not said");
            assert!(is_told, "{old}: {refused}");
        }
    }
}
