//! Which rule decides on which command of the space's side.

use super::allocate::NewSpace;
use super::{Decision, Outcome};
use crate::TeamId;
use crate::command::PlatformCommand;

impl Decision<'_> {
    pub(super) fn platform(&mut self, command: &PlatformCommand) -> Outcome {
        let grows = self.grows(command);
        let before = grows.map(|team| (team, self.world.clone()));
        let reply = self.platform_command(command)?;
        if let Some((team, before)) = before {
            self.check_team_quotas(&before, team)?;
        }
        Ok(reply)
    }

    /// The team that may have more by a command than before.
    fn grows(&self, command: &PlatformCommand) -> Option<TeamId> {
        use PlatformCommand as C;
        match command {
            C::CreateSpace { team, .. } | C::TransferSpace { team, .. } => Some(*team),
            C::CreateApp { space, .. } => self.world.space(*space).map(|space| space.team),
            C::CreateRelease { app, .. }
            | C::Rollback { app, .. }
            | C::Scale { app, .. }
            | C::StartDyno { app, .. }
            | C::CreateAddon { app, .. } => self.world.app(*app).map(|app| app.team),
            _ => None,
        }
    }

    fn platform_command(&mut self, command: &PlatformCommand) -> Outcome {
        use PlatformCommand as C;
        match command {
            C::CreateSpace { name, team, region, cidr, data_cidr } => {
                let (team, region, cidr, data_cidr) = (*team, *region, *cidr, *data_cidr);
                self.create_space(&NewSpace { name, team, region, cidr, data_cidr })
            }
            C::DeleteSpace { space } => self.delete_space(*space),
            C::RenameSpace { space, name } => self.rename_space(*space, name),
            C::SetPeeringLimit { space, limit } => self.set_peering_limit(*space, *limit),
            C::SetInboundRules { space, rules } => self.set_inbound_rules(*space, rules),
            C::SetSpaceLogDrain { space, url } => self.set_space_log_drain(*space, url),
            C::SetSpaceAccess { space, user, create_apps } => {
                self.set_space_access(*space, *user, *create_apps)
            }
            C::TransferSpace { space, team } => self.transfer_space(*space, *team),
            C::AcceptPeering { space, peering } => self.accept_for_space(*space, *peering),
            C::DeletePeering { space, peering } => self.delete_for_space(*space, *peering),
            C::CreateApp { name, space, internal_routing } => {
                self.create_app(name.as_deref(), *space, *internal_routing)
            }
            C::DeleteApp { app } => self.delete_app(*app),
            C::SetFenceStop { app, fence_stop } => self.set_fence_stop(*app, *fence_stop),
            C::AddDomain { app, hostname } => self.add_domain(*app, hostname),
            C::RemoveDomain { app, domain } => self.remove_domain(*app, *domain),
            C::AddLogDrain { app, url } => self.add_log_drain(*app, url),
            C::RemoveLogDrain { app, drain } => self.remove_log_drain(*app, *drain),
            C::CreateAppWebhook { app, new } => self.create_app_webhook(*app, new),
            C::UpdateAppWebhook { app, id, to } => self.update_app_webhook(*app, *id, to),
            C::DeleteAppWebhook { app, id } => self.delete_app_webhook(*app, *id),
            C::CreateSlug { app, process_types, commit, checksum } => {
                self.create_slug(*app, process_types, commit.as_deref(), checksum.as_deref())
            }
            C::CreateRelease { app, slug, description } => {
                self.deploy(*app, *slug, description.as_deref())
            }
            C::Rollback { app, release } => self.roll_back(*app, *release),
            C::SetConfig { app, changes } => self.set_config(*app, changes),
            C::Scale { app, updates } => self.scale(*app, updates),
            C::RestartDynos { app, which } => self.restart_dynos(*app, which),
            C::StartDyno { app, command, size, environment, stdio } => {
                self.start_dyno(*app, command, size.as_deref(), environment, *stdio)
            }
            C::RunInside { app, dyno, command, environment } => {
                self.run_inside(*app, *dyno, command, environment)
            }
            C::StopDynos { app, which } => self.stop_dynos(*app, which),
            C::CreateAddon { app, plan, name, password } => {
                self.create_addon(*app, plan, name.as_deref(), password)
            }
            C::AttachAddon { addon, app, name } => self.attach_addon(*addon, *app, name.as_deref()),
            C::DetachAddon { addon, app, name } => self.detach_addon(*addon, *app, name),
            C::DeleteAddon { addon } => self.delete_addon(*addon),
        }
    }
}
