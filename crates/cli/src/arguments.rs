//! The command line.

pub(crate) mod addons;
pub(crate) mod apps;
pub(crate) mod audit;
mod common;
pub(crate) mod demo;
pub(crate) mod env;
pub(crate) mod events;
pub(crate) mod flows;
pub(crate) mod hosts;
pub(crate) mod identity;
pub(crate) mod join;
pub(crate) mod operate;
pub(crate) mod overview;
pub(crate) mod peer;
pub(crate) mod peering_check;
pub(crate) mod people;
pub(crate) mod quotas;
pub(crate) mod roles;
pub(crate) mod session;
pub(crate) mod spaces;
pub(crate) mod subjects;
pub(crate) mod token;
pub(crate) mod tunnel;
pub(crate) mod two_factor;
pub(crate) mod webhooks;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use self::common::{Common, Space};
use self::demo::DemoArgs;
use self::env::EnvArgs;
use self::tunnel::TunnelArgs;
use crate::settings::{AgentArgs, ServeArgs};

/// Private Spaces and VPC peering on machines you own.
#[derive(Debug, Parser)]
#[command(name = "causeway", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  causeway serve --data /var/lib/causeway     start a server
  eval \"$(causeway env)\"                      point the heroku and aws commands at it
  causeway spaces:peering:info my-space       what the owner of a VPC needs to know
  causeway demo                               see how it works, with real packets

Every command has examples: causeway COMMAND --help";

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a server
    #[command(after_help = "Examples:
  causeway serve
  causeway serve --data ./data --listen 127.0.0.1:0
  causeway serve --fabric none             the APIs alone: needs no root, carries no packets
  causeway serve --emulator --fabric none  a test double for CI
  CAUSEWAY_LOG=debug causeway serve        log more

Exit status: 0 if it was told to end, 1 if it cannot start or go on, 2 for wrong usage, and 70 if a
part of it failed because of a defect. Start it again then: nothing that it acknowledged is lost.")]
    Serve(Box<ServeArgs>),

    /// Run what a server on another host says on this one
    #[command(after_help = "Examples:
  causeway agent --join https://host-1:4882 --token cwj_… --name host-2 --zone rack-1
  causeway agent --join https://host-1:4882 --join https://host-3:4882 --token cwj_…   whichever answers
  causeway agent                           go on, once it has joined

The token is from `causeway host:token`. The agent keeps what it was told and goes on while no server is
there. When it ends, dynos, instances and packets go on. One that finds that its host was removed ends what
runs there, and itself.

Exit status: 0 if it was told to end, 1 if it cannot start or go on, 2 for wrong usage, and 70 if a
part of it failed because of a defect.")]
    Agent(Box<AgentArgs>),

    /// Print the variables that point the heroku and aws commands at the server
    #[command(after_help = "Examples:
  eval \"$(causeway env)\"
  eval \"$(causeway env --account customer --user admin@causeway.local)\"
  eval \"$(causeway env --remote https://cw.example.org)\"
  eval \"$(causeway env --unset)\"
  causeway env --shell fish | source
  causeway env --shell powershell | Out-String | Invoke-Expression")]
    Env(Box<EnvArgs>),

    /// Reach a server on another machine by a port of this one, as the heroku command needs it
    #[command(after_help = "Examples:
  causeway tunnel https://cw.example.org
  causeway tunnel https://10.0.0.5:4880 --fingerprint sha256:HEX
  causeway tunnel https://cw.example.org --listen 127.0.0.1:5000 --ca corp.pem &
  eval \"$(causeway env --remote https://cw.example.org)\"

It runs until it is told to end. The aws command and causeway itself reach the server without it.")]
    Tunnel(Box<TunnelArgs>),

    #[command(flatten)]
    Identity(identity::Identity),
    #[command(flatten)]
    Subjects(subjects::SubjectCommand),
    #[command(flatten)]
    Roles(roles::RoleCommand),
    #[command(flatten)]
    Quotas(quotas::QuotaCommand),
    #[command(flatten)]
    Join(join::JoinCommand),
    #[command(flatten)]
    Hosts(hosts::HostCommand),
    #[command(flatten)]
    Spaces(spaces::SpaceCommand),
    #[command(flatten)]
    PeeringCheck(peering_check::PeeringCheck),
    #[command(flatten)]
    Peer(peer::PeerCommand),
    #[command(flatten)]
    People(people::People),
    #[command(flatten)]
    Session(session::Session),
    #[command(flatten)]
    TwoFactor(two_factor::TwoFactor),
    #[command(flatten)]
    Apps(apps::AppCommand),
    #[command(flatten)]
    Addons(addons::AddonCommand),

    #[command(flatten)]
    Webhooks(webhooks::WebhookCommand),
    #[command(flatten)]
    Overview(overview::OverviewCommand),
    #[command(flatten)]
    Operate(operate::Operate),

    /// Print a script with which a shell completes commands
    #[command(after_help = "Examples:
  causeway completion bash > /etc/bash_completion.d/causeway
  source <(causeway completion bash)
  causeway completion zsh > \"${fpath[1]}/_causeway\"
  causeway completion fish > ~/.config/fish/completions/causeway.fish")]
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write manual pages, one for each command
    #[command(after_help = "Examples:
  causeway man | man -l -
  causeway man --directory /usr/local/share/man/man1 && man causeway-spaces")]
    Man {
        /// Where to write the pages of all commands; by default one page is printed
        #[arg(long, short, value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// Show a space and its peering at work, with real packets
    #[command(after_help = "Examples:
  causeway demo                  on a server of its own, in a temporary directory
  causeway demo --fabric none    without packets, and without root
  causeway demo --url http://127.0.0.1:4880 --data DIR
                                 on a server that runs, as its operator
  causeway demo --url http://127.0.0.1:4880 --team web
                                 the same with the variables of `causeway env`, without packets

With --url, everything that the demo creates there is removed again, however the demo ends.")]
    Demo(Box<DemoArgs>),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }

    #[test]
    fn a_space_is_named_either_way() {
        for line in [["causeway", "spaces:info", "x", ""], ["causeway", "spaces:info", "-s", "x"]] {
            let line = line.iter().filter(|word| !word.is_empty());
            let Command::Spaces(spaces::SpaceCommand::SpacesInfo(space)) =
                Cli::try_parse_from(line).unwrap().command
            else {
                panic!("another command")
            };
            assert_eq!(space.name(), "x");
        }
        assert!(Cli::try_parse_from(["causeway", "spaces:info"]).is_err());
    }
}
