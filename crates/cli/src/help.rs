//! Help in groups, as the `heroku` command has it: topics first, and the commands of each topic
//! with the topic. All of it is made from the command line's own definition.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::builder::StyledStr;
use clap::builder::styling::{AnsiColor, Styles};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, Error};

use crate::arguments::Cli;

/// The colours of help and of errors about usage.
pub(crate) const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default().bold())
    .valid(AnsiColor::Green.on_default())
    .invalid(AnsiColor::Red.on_default());

/// How many commands a tip names at most.
const MOST_TIPS: usize = 3;

/// The topics in groups, in the order in which a newcomer needs them. A topic with several commands
/// has a description here; others have their command's own.
const GROUPS: &[(&str, &[(&str, &str)])] = &[
    (
        "Run it",
        &[
            ("serve", ""),
            ("agent", ""),
            ("env", ""),
            ("tunnel", ""),
            ("status", ""),
            ("top", ""),
            ("events", ""),
            ("webhooks", "Webhooks: where events are sent to"),
            ("doctor", ""),
            ("demo", ""),
            ("completion", ""),
            ("man", ""),
        ],
    ),
    (
        "Spaces and peering",
        &[
            ("spaces", "Private Spaces: create, peer, share and inspect them"),
            ("vpcs", "VPCs: list them, and whether one could be peered with a space"),
            ("peerings", ""),
            ("instances", ""),
            ("regions", ""),
            ("peer", ""),
            ("unpeer", ""),
            ("why", ""),
            ("flows", ""),
            ("trusted-ips", "IP ranges from which a space accepts web requests"),
        ],
    ),
    (
        "Apps",
        &[
            ("apps", "Apps: create, inspect and destroy them"),
            ("deploy", ""),
            ("slugs", ""),
            ("releases", "Releases of apps: list and inspect them"),
            ("rollback", ""),
            ("config", "Config vars of apps"),
            ("ps", "Dynos: list, scale, restart and stop them"),
            ("run", "One-off dynos"),
            ("logs", ""),
            ("exec", ""),
            ("domains", "Custom domains of apps"),
            ("addons", "Data services of apps"),
            ("access", ""),
        ],
    ),
    (
        "People",
        &[
            ("login", ""),
            ("logout", ""),
            ("whoami", ""),
            ("authorizations", "Your own tokens"),
            ("2fa", "Your second factor: enable, disable and recover it"),
            ("members", "Members of a team"),
        ],
    ),
    (
        "For the operator",
        &[
            ("accounts", "Accounts: the owners of VPCs"),
            ("keys", "Access keys of accounts"),
            ("quotas", "Quotas: how much of what accounts and teams may have"),
            ("roles", "Roles of accounts, which others act in for a while"),
            ("users", "Users and their passwords"),
            ("tokens", "Tokens of users"),
            ("operator", "The operator's own token"),
            ("teams", "Teams: the owners of spaces"),
            ("host", "How hosts join: let their agents connect, and make tokens"),
            ("audit", ""),
            ("backup", "Write a backup of an installation to a file"),
            ("restore", ""),
            ("hosts", "Hosts: the machines that processes run on"),
            ("servers", ""),
            ("lost", "Files that the database does not know"),
            ("fabric", "The networks on this machine: repair and remove them"),
        ],
    ),
    ("For tests", &[("clock", "The clock of a test server"), ("reset", ""), ("snapshot", "")]),
];

/// The name of the group of all topics that stand in no other group.
const OTHERS: &str = "More";

/// The topic of a command: the part of its name before the first colon.
fn topic_of(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// The definition of the command line, with its help in groups.
pub(crate) fn command() -> Command {
    let plain = Cli::command().styles(STYLES);
    let topics = topics(&plain);
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}{}Options:{:#}\n{{options}}\
         {{after-help}}",
        groups(&topics),
        STYLES.get_header(),
        STYLES.get_header(),
    );
    let with_help = plain.get_subcommands().map(|command| {
        let name = command.get_name();
        let more = topics.get(name).filter(|commands| commands.len() > 1);
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        more.map(|commands| (name.to_owned(), format!("{help}\n\n{}", listed(name, commands))))
    });
    let with_help: Vec<_> = with_help.flatten().collect();
    with_help.into_iter().fold(plain.help_template(template), |command, (name, help)| {
        command.mut_subcommand(name, |command| command.after_help(help))
    })
}

/// Name and description of each command, by topic.
type Topics = BTreeMap<String, Vec<(String, String)>>;

fn topics(command: &Command) -> Topics {
    let mut topics = Topics::new();
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let name = command.get_name().to_owned();
        topics.entry(topic_of(&name).to_owned()).or_default().push((name, about));
    }
    topics
}

/// The groups as the help shows them.
fn groups(topics: &Topics) -> String {
    let known =
        |topic: &String| GROUPS.iter().flat_map(|(_, of)| *of).any(|(name, _)| name == topic);
    let others: Vec<(&str, &str)> =
        topics.keys().filter(|topic| !known(topic)).map(|topic| (topic.as_str(), "")).collect();
    let width = topics.keys().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (group, of) in GROUPS.iter().copied().chain([(OTHERS, others.as_slice())]) {
        let shown: Vec<_> = of
            .iter()
            .filter_map(|(topic, about)| Some((topic, *about, topics.get(*topic)?)))
            .collect();
        if shown.is_empty() {
            continue;
        }
        let style = STYLES.get_header();
        let _ = writeln!(text, "{style}{group}:{style:#}");
        for (topic, about, commands) in shown {
            let own = commands.iter().find(|(name, _)| name == topic).or(commands.first());
            let own = own.map_or("", |(_, about)| about);
            let about = if about.is_empty() { own } else { about };
            let style = STYLES.get_literal();
            let _ = writeln!(text, "  {style}{topic:width$}{style:#}  {about}");
        }
        text.push('\n');
    }
    text
}

/// The commands of a topic as its help shows them.
fn listed(topic: &str, commands: &[(String, String)]) -> String {
    let width = commands.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let (header, literal) = (STYLES.get_header(), STYLES.get_literal());
    let mut text = format!("{header}Commands of {topic}:{header:#}");
    for (name, about) in commands {
        let _ = write!(text, "\n  {literal}{name:width$}{literal:#}  {about}");
    }
    text
}

/// All commands in the groups of the help, each with its name and its description. A group has the
/// commands of its topics one after the other.
pub(crate) fn grouped(command: &Command) -> Vec<(&'static str, Vec<(String, String)>)> {
    let mut topics = topics(command);
    let mut groups: Vec<(&str, Vec<(String, String)>)> = Vec::new();
    for (group, of) in GROUPS {
        let commands = of.iter().filter_map(|(topic, _)| topics.remove(*topic)).flatten();
        groups.push((group, commands.collect()));
    }
    groups.push((OTHERS, topics.into_values().flatten().collect()));
    groups.retain(|(_, commands)| !commands.is_empty());
    groups
}

/// What is printed where the command line cannot be parsed, or asks for help: the help of a topic
/// that is no command itself, and tips with the nearest command first.
pub(crate) fn improved(mut error: Error) -> Error {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return error;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidSubcommand).cloned()
    else {
        return error;
    };
    let plain = Cli::command();
    if let Some(commands) = topics(&plain).get(&given) {
        let asks = std::env::args().skip(1);
        let asks = asks
            .take_while(|word| word != "--")
            .any(|word| matches!(word.as_str(), "help" | "--help" | "-h"));
        let kind = if asks { ErrorKind::DisplayHelp } else { ErrorKind::MissingSubcommand };
        // The commands of a topic are no error's words: see `failure::report_usage`.
        return Error::raw(kind, format!("{}\n", listed(&given, commands)));
    }
    let names = plain.get_subcommands().filter(|command| !command.is_hide_set());
    let names: Vec<&str> = names.map(Command::get_name).collect();
    let tips = nearest(&given, &names);
    if tips.is_empty() {
        let all = StyledStr::from("`causeway help` lists all commands".to_owned());
        // The guesses of clap itself are dropped, as they compare whole names only.
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![all]));
    } else {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(tips));
    }
    error
}

/// The names that somebody may have meant who wrote another one, the nearest first. One word is
/// looked for among the parts of names too, so that `peerings` finds `spaces:peerings`.
fn nearest(given: &str, names: &[&str]) -> Vec<String> {
    /// Words that are less similar than this are not alike, such as `peerings` and `regions`.
    const ALIKE: f64 = 0.8;
    let is_alike = |name: &str| strsim::jaro_winkler(given, name) > ALIKE;
    let has_part = |name: &&str| name.split(':').any(is_alike);
    let mut alike: Vec<&str> = match given.contains(':') {
        true => Vec::new(),
        false => names.iter().copied().filter(has_part).collect(),
    };
    if alike.is_empty() {
        alike = names.iter().copied().filter(|name| is_alike(name)).collect();
    }
    // A slip of one letter, or a plural, is as good as the word itself.
    let off = |name: &str| {
        let parts = name.split(':').map(|part| strsim::osa_distance(given, part));
        parts.min().filter(|off| *off > 1 && !given.contains(':')).unwrap_or(0)
    };
    alike.sort_by_key(|name| (off(name), strsim::osa_distance(given, name), *name));
    alike.truncate(MOST_TIPS);
    alike.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn every_topic_stands_in_one_group() {
        let topics = topics(&Cli::command());
        for topic in topics.keys() {
            let in_groups = GROUPS.iter().flat_map(|(_, of)| *of).filter(|(name, _)| name == topic);
            assert_eq!(in_groups.count(), 1, "{topic}");
        }
        let text = groups(&topics);
        assert!(!text.contains(&format!("{OTHERS}:")), "{text}");
    }

    #[test]
    fn a_topic_lists_its_commands() {
        let mut command = command();
        let help = command.render_help().to_string();
        assert!(help.contains("Spaces and peering:\n"), "{help}");
        assert!(!help.contains("spaces:create"), "{help}");
        let spaces = command.find_subcommand_mut("spaces").unwrap().render_help().to_string();
        assert!(spaces.contains("Examples:") && spaces.contains("\n  spaces:create "), "{spaces}");
    }

    #[test]
    fn the_nearest_command_is_named_first() {
        for (given, expected) in [
            ("space:create", "spaces:create"),
            ("sapces", "spaces"),
            ("spaces:peering:accept", "spaces:peerings:accept"),
            ("app:info", "apps:info"),
            ("statsu", "status"),
            ("space", "spaces"),
            ("sapces:info", "spaces:info"),
            ("peering", "peerings"),
            ("topology", "spaces:topology"),
            ("orphans", "fabric:orphans"),
        ] {
            let error = improved(Cli::try_parse_from(["causeway", given]).unwrap_err());
            let Some(ContextValue::Strings(tips)) = error.get(ContextKind::SuggestedSubcommand)
            else {
                panic!("no tips for {given}")
            };
            assert_eq!(tips[0], expected, "{given}: {tips:?}");
            assert!(tips.len() <= MOST_TIPS);
        }
    }

    #[test]
    fn what_is_like_no_command_gets_no_guess_but_the_way_to_all() {
        for line in [&["causeway", "nonsense"][..], &["causeway", "help", "nonsense"]] {
            let error = improved(Cli::try_parse_from(line).unwrap_err());
            assert_eq!(error.get(ContextKind::SuggestedSubcommand), None, "{line:?}");
            let text = error.to_string();
            assert!(text.contains("tip: `causeway help` lists all commands"), "{text}");
        }
        let error = improved(Cli::try_parse_from(["causeway", "help", "topology"]).unwrap_err());
        let text = error.to_string();
        assert!(text.contains("'spaces:topology'") && !text.contains("regions"), "{text}");
    }

    #[test]
    fn every_command_stands_in_one_group() {
        let command = Cli::command();
        let grouped: Vec<String> = grouped(&command)
            .into_iter()
            .flat_map(|(_, commands)| commands)
            .map(|(name, _)| name)
            .collect();
        let mut sorted = grouped.clone();
        sorted.sort_unstable();
        let names = command.get_subcommands().filter(|command| !command.is_hide_set());
        let mut names: Vec<&str> = names.map(Command::get_name).collect();
        names.sort_unstable();
        assert_eq!(sorted, names);
        assert_eq!(grouped[0], "serve");
    }

    #[test]
    fn a_topic_without_a_command_of_its_own_is_no_dead_end() {
        let error = improved(Cli::try_parse_from(["causeway", "fabric"]).unwrap_err());
        assert!(error.to_string().contains("fabric:orphans"), "{error}");
    }
}
