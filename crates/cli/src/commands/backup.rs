//! `causeway backup` and `causeway restore`.

use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::Context;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::show;
use crate::arguments::Common;
use crate::client::As;
use crate::output::Out;

/// Has a backup written, and says how far it is and what is in it.
pub fn write(
    file: &Path,
    skip_unavailable: bool,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let path = std::path::absolute(file).context("the file has no name")?;
    let client = common.connection.client(As::Operator)?;
    let asked = json!({ "path": path, "skip_unavailable": skip_unavailable });
    let bar = bar(common, "{spinner} {msg}");
    let written = client.post_long("/_causeway/backup", &asked, |progress| {
        let bytes = HumanBytes(progress["bytes"].as_u64().unwrap_or(0));
        let (part, parts) = (&progress["part"], &progress["parts"]);
        let of = if parts == 0 { String::new() } else { format!("/{parts}") };
        bar.set_message(format!("{part}{of} {}, {bytes} read", show(&progress["what"])));
        bar.tick();
    });
    bar.finish_and_clear();
    let written = written?;
    let missing = written["missing"].as_array().map_or(&[][..], Vec::as_slice);
    let missing: Vec<_> =
        missing.iter().map(|it| (show(&it["name"]), show(&it["reason"]))).collect();
    warn(&missing);
    if common.json {
        out.json(&written);
        return Ok(());
    }
    out.line(format_args!("Wrote {}, {}:", path.display(), size(&written["bytes"])));
    let ledger = size(&written["database_bytes"]);
    out.line(format_args!("  the ledger at revision {}, {ledger}", written["revision"]));
    let slugs = written["slugs"].as_array().map_or(&[][..], Vec::as_slice);
    let total: u64 = slugs.iter().filter_map(|slug| slug["bytes"].as_u64()).sum();
    if !slugs.is_empty() {
        out.line(format_args!("  {}, {}", count(slugs.len(), "slug"), HumanBytes(total)));
    }
    for service in written["services"].as_array().into_iter().flatten() {
        let (name, plan) = (show(&service["name"]), show(&service["plan"]));
        let size = match service["bytes"].is_null() {
            true => "no data yet".to_owned(),
            false => size(&service["bytes"]),
        };
        out.line(format_args!("  {name} ({plan}), {size}"));
    }
    out.line("It holds secrets: keep it as safe as the data directory.");
    Ok(())
}

/// Makes a data directory from a backup, and says what is in it.
pub fn restore(
    file: &Path,
    new_instance: bool,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let data = common.connection.data_dir();
    let bar = bar(common, "Restoring {wide_bar} {bytes}/{total_bytes} {eta}");
    let restored = server::restore(file, &data, new_instance, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let restored = restored?;
    let missing: Vec<_> =
        restored.missing.iter().map(|it| (it.name.clone(), it.reason.clone())).collect();
    warn(&missing);
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
    out.line(format_args!("Next: causeway serve --data {at}"));
    Ok(())
}

/// Says what is not in a backup, beside the output: it must not be overlooked.
#[expect(clippy::print_stderr, reason = "a warning belongs beside the output")]
fn warn(missing: &[(String, String)]) {
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

fn size(bytes: &Value) -> String {
    HumanBytes(bytes.as_u64().unwrap_or(0)).to_string()
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
