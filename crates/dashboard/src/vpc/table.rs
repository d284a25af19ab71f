//! A route table: its routes, and the form that changes them.

use askama::Template;
use model::{Ec2Command, RouteTable, Vpc};

use super::edit::Edit;
use super::forms::{self, Choices, Frame};
use super::head::Head;
use super::network::table_title;
use super::notice::Did;
use super::paths;
use super::routes::{self, RouteRow};
use super::wish::{Field, Fields, FormTrouble};
use crate::context::Context;
use crate::markup::{Markup, copy_button};
use crate::shell::Shell;
use crate::texts::VpcTexts;

#[derive(Template)]
#[template(path = "vpc/table.html")]
struct Page<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    head: Head,
    frame: Frame,
    title: Markup,
    id: String,
    copy: Markup,
    of: Markup,
    rows: Vec<(RouteRow, Option<RowActions>)>,
    destination: &'a str,
    wrong_destination: Option<&'static str>,
    targets: Vec<Choices>,
    wrong_target: Option<&'static str>,
}

/// What can be done with a row.
struct RowActions {
    replace: String,
    remove: String,
}

/// A route table of a VPC that the viewer must see. `typed` is what the form has, and `trouble` why it did
/// not lead on.
pub fn table<'a>(
    of: &Context<'a>,
    vpc: &Vpc,
    table: &RouteTable,
    typed: Fields<'a>,
    trouble: Option<&FormTrouble>,
    did: Option<&Did>,
) -> askama::Result<String> {
    let t = of.texts();
    let frame = Frame::new(of, vpc, trouble, did, None);
    let may_change = frame.may_change;
    let id = table.id.to_string();
    let rows = routes::rows(of, vpc, table).into_iter().map(|row| {
        let change = may_change && !row.is_local;
        let actions = change.then(|| actions(vpc, table, &row));
        (row, actions)
    });
    let title = table_title(of, vpc, table);
    Page {
        shell: Shell::new(of, title.clone()),
        v: t.vpc_pages,
        head: Head::new(of, vpc, None),
        frame,
        title,
        copy: copy_button(t, t.column_table, &id),
        of: forms::followers(of, vpc, table.id),
        rows: rows.collect(),
        destination: typed.get("destination"),
        wrong_destination: forms::at(of, trouble, Field::Destination),
        targets: forms::targets(of, vpc, typed.get("target")),
        wrong_target: forms::at(of, trouble, Field::Target),
        id,
    }
    .render()
}

fn actions(vpc: &Vpc, table: &RouteTable, row: &RouteRow) -> RowActions {
    let destination = row.destination;
    let route_table = table.id;
    let is_local = destination.cidr().is_some_and(|to| vpc.blocks().any(|block| block == to));
    let remove = match is_local {
        true => Ec2Command::RestoreLocalRoute { route_table, destination },
        false => Ec2Command::DeleteRoute { route_table, destination },
    };
    let remove = Edit::new(vec![remove]);
    RowActions {
        replace: format!("{}?destination={destination}#form", paths::table(vpc, table.id)),
        remove: remove.map_or_else(String::new, |edit| link(vpc, &edit)),
    }
}

/// The address of the preview of a change.
pub(super) fn link(vpc: &Vpc, edit: &Edit) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("do", "edit").append_pair("edit", edit.write().trim_end());
    format!("{}?{}", paths::change(vpc), query.finish())
}
