//! The file with the operator's data services.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use server::apps::plans::Plans;

/// The operator's data services: `[[plan]]` tables. One without a command is a shipped one of the
/// same name, with what the table says in place of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlansFile {
    #[serde(default)]
    plan: Vec<toml::Table>,
}

/// Reads the file: the shipped data services, with those of the file in place of shipped ones of the
/// same names and beside the others.
///
/// # Errors
///
/// A file that cannot be read, and a plan that cannot be offered.
pub(super) fn read(path: &Path) -> anyhow::Result<Plans> {
    let about = || format!("the plans in {} cannot be taken", path.display());
    let text = std::fs::read_to_string(path).with_context(about)?;
    let file: PlansFile = toml::from_str(&text).with_context(about)?;
    let shipped = Plans::shipped();
    let read = |table: toml::Table| -> anyhow::Result<model::Plan> {
        let named = |key| table.get(key).and_then(toml::Value::as_str);
        let base = match (named("service"), named("plan"), table.contains_key("command")) {
            (Some(service), Some(plan), false) => shipped.find(&format!("{service}:{plan}")).ok(),
            _ => None,
        };
        let mut whole = base.map_or(Ok(toml::Table::new()), toml::Table::try_from)?;
        whole.extend(table);
        Ok(whole.try_into()?)
    };
    let plans: Vec<model::Plan> =
        file.plan.into_iter().map(read).collect::<Result<_, _>>().with_context(about)?;
    shipped.clone().with(plans).with_context(about)
}
