//! Apps by their addresses.

use std::sync::Arc;

use dashboard::Viewer;
use model::{App, Space, World};

/// An app of a space, as far as the viewer sees both.
pub(super) fn find<'w>(
    world: &'w World,
    viewer: Viewer,
    space: &str,
    app: &str,
) -> Option<(&'w Arc<Space>, &'w Arc<App>)> {
    let space = viewer.space(world, space)?;
    let app = world.app_named(app).filter(|app| app.space == space.id)?;
    viewer.platform_caller()?.role_in(world.team(app.team)?)?;
    Some((space, app))
}
