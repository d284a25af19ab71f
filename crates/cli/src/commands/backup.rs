//! `causeway backup` and `causeway restore`.

use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::Context;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::print::count;
use crate::arguments::Common;
use crate::client::As;
use crate::output::Out;
use crate::settings::{StoreArgs, variable};

/// `backup`: has a backup written, and says how far it is and what is in it.
///
/// # Errors
///
/// What the server refused or failed at.
pub(super) fn write(
    file: &Path,
    skip_unavailable: bool,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let path = std::path::absolute(file).context("the file has no name")?;
    let client = common.connection.client(As::Operator)?;
    let request = api::BackupRequest { path, skip_unavailable };
    let bar = bar(common, "{spinner} {msg}");
    let written = client.backup(&request, |progress| {
        let api::BackupProgress { what, part, parts, bytes } = progress;
        let of = if *parts == 0 { String::new() } else { format!("/{parts}") };
        bar.set_message(format!("{part}{of} {what}, {} read", HumanBytes(*bytes)));
        bar.tick();
    });
    bar.finish_and_clear();
    let written = written?;
    warn(written.missing.iter().map(|it| (&*it.name, &*it.reason)));
    if common.json {
        out.json(&written);
        return Ok(());
    }
    let path = request.path.display();
    out.line(format_args!("Wrote {path}, {}:", HumanBytes(written.bytes)));
    let ledger = HumanBytes(written.database_bytes.unwrap_or(0));
    out.line(format_args!("  the ledger at revision {}, {ledger}", written.revision));
    let total: u64 = written.slugs.iter().filter_map(|slug| slug.bytes).sum();
    if !written.slugs.is_empty() {
        out.line(format_args!("  {}, {}", count(written.slugs.len(), "slug"), HumanBytes(total)));
    }
    for api::SavedService { name, plan, bytes, .. } in &written.services {
        let size = bytes.map_or("no data yet".to_owned(), |bytes| HumanBytes(bytes).to_string());
        out.line(format_args!("  {name} ({plan}), {size}"));
    }
    out.line("It holds secrets: keep it as safe as the data directory.");
    Ok(())
}

/// `restore`: makes a data directory from a backup, and fills the database that is named; says what is in it.
///
/// # Errors
///
/// A file that is no whole backup, and a data directory that is there already.
pub(super) fn restore(
    file: &Path,
    new_instance: bool,
    store: StoreArgs,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let url = store.url(&variable, None)?;
    let data = common.connection.data_dir();
    let bar = bar(common, "Restoring {wide_bar} {bytes}/{total_bytes} {eta}");
    let restored = server::restore(file, &data, url.as_ref(), new_instance, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let restored = restored?;
    warn(restored.missing.iter().map(|it| (&*it.name, &*it.reason)));
    let at = data.display();
    if common.json {
        out.json(&json!({
            "data": data, "instance": restored.instance, "revision": restored.revision,
            "created": restored.created, "slugs": restored.slugs, "services": restored.services,
            "missing": restored.missing, "bytes": restored.bytes,
        }));
        return Ok(());
    }
    let when = restored.created.map(|when| format!(" of {when}")).unwrap_or_default();
    let bytes = HumanBytes(restored.bytes);
    out.line(format_args!("Restored to {at} from a backup{when}, {bytes}:"));
    out.line(format_args!("  the ledger at revision {}", restored.revision));
    if restored.slugs > 0 {
        out.line(format_args!("  {}", count(restored.slugs, "slug")));
    }
    for service in &restored.services {
        out.line(format_args!("  {service}, which finds its data when it starts"));
    }
    if let Some(instance) = &restored.instance {
        out.line(format_args!("It is instance {instance}, and may run beside its original."));
    }
    match url {
        None => out.line(format_args!("Next: causeway serve --data {at}")),
        Some(url) => out.line(format_args!("Next: causeway serve --data {at} --store {url}")),
    }
    Ok(())
}

/// Says what is not in a backup, beside the output: it must not be overlooked.
#[expect(clippy::print_stderr, reason = "a warning belongs beside the output")]
fn warn<'m>(missing: impl Iterator<Item = (&'m str, &'m str)>) {
    for (name, reason) in missing {
        eprintln!("Warning: {name} is NOT in the backup: {reason}");
    }
}

fn bar(common: &Common, style: &str) -> ProgressBar {
    let target = match !common.json && io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template(style).expect("the template is well-formed");
    ProgressBar::with_draw_target(None, target).with_style(style)
}
