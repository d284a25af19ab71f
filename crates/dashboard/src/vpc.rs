//! The pages of a VPC: what it has, one page for each kind; the forms that change its routes and rules,
//! with a preview of what that lets pass; and what its peerings need.

mod acls;
mod change;
mod edit;
mod forms;
mod gateways;
mod group;
mod head;
mod instance;
mod instances;
mod interfaces;
mod join;
mod network;
mod notice;
mod paths;
mod peerings;
mod routes;
mod rules;
mod table;
mod wire;
mod wish;

pub use acls::acls;
pub use change::{Preview, after_change as after_change_path, change};
pub use edit::Edit;
pub use gateways::gateways;
pub use group::group;
pub use instance::{instance, state_shown as instance_state_shown, terminate};
pub use instances::{Begin, instances};
pub use interfaces::interfaces;
pub use join::join;
pub use network::network as vpc;
pub use notice::Did;
pub(crate) use notice::{Notice, notice_at};
pub use paths::{
    change as change_path, group as group_path, instance as instance_path,
    instances as instances_path, join as join_path, part as part_path, table as table_path,
    terminate as terminate_path,
};
pub use peerings::peerings;
pub use table::table;
pub use wish::{Field, Fields, FormTrouble, Wish};
