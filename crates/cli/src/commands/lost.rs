//! `lost` and `lost:delete`: files that the database does not know, which the server has set aside.

use hyper::Method;

use super::confirm::confirm;
use super::print::say;
use crate::arguments::Common;
use crate::client::As;
use crate::output::Out;

/// How many of them `status` names.
const SHOWN_BY_STATUS: usize = 5;

/// `lost`: lists what is set aside.
pub(super) fn list(common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let client = common.connection.client(As::Operator)?;
    let list: Vec<api::SetAside> = client.read("/_causeway/lost")?;
    if common.json {
        out.json(&list);
        return Ok(());
    }
    if list.is_empty() {
        out.line("Nothing is set aside: the database knows all files in the data directory.");
    }
    for api::SetAside { id, since, path } in &list {
        out.line(format_args!("{id}  {since}  {}", path.display()));
    }
    Ok(())
}

/// `lost:delete`: deletes something that is set aside.
pub(super) fn delete(
    id: &str,
    given: Option<&str>,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let client = common.connection.client(As::Operator)?;
    let warning = format!("This command will delete {id} for good, with all that is in it");
    confirm(&warning, id, given, out)?;
    let path = format!("/_causeway/lost/{id}");
    let gone: api::Deleted = client.write(&Method::DELETE, &path, &api::Empty {})?;
    say(common, out, &gone, &format!("Deleted {id}"));
    Ok(())
}

/// Prints what `status` says about it, which is nothing if nothing is set aside.
pub(super) fn print_short(list: &[api::SetAside], out: &mut Out) {
    let count = list.len();
    if count == 0 {
        return;
    }
    out.line(format_args!(
        "Lost       {count} set aside, unknown to the database; `causeway lost` says where"
    ));
    for set_aside in list.iter().take(SHOWN_BY_STATUS) {
        out.line(format_args!("           {}", set_aside.id));
    }
    if count > SHOWN_BY_STATUS {
        out.line(format_args!("           and {} more", count - SHOWN_BY_STATUS));
    }
}
