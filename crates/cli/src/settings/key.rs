//! Where the key of an installation is, if it is not in the data directory.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use store::KeySource;

use super::values::{Variables, absolute};
use crate::usage::usage;

/// The variable that has a key itself.
const KEY: &str = "CAUSEWAY_KEY";

/// Where the key is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct KeyArgs {
    /// File with the installation's key, for its owner only: 64 hexadecimal digits, as `openssl rand
    /// -hex 32` prints, or a copy of a secret.key. By default the key is secret.key in the data directory,
    /// or the variable CAUSEWAY_KEY if that is set
    /// [env: CAUSEWAY_KEY_FILE]
    #[arg(long, value_name = "FILE", conflicts_with = "key_command")]
    pub(crate) key_file: Option<PathBuf>,
    /// Command for sh that prints the key, as one that asks a vault; the data directory does not have the
    /// key then
    /// [env: CAUSEWAY_KEY_COMMAND]
    #[arg(long, value_name = "COMMAND")]
    pub(crate) key_command: Option<String>,
}

impl KeyArgs {
    /// What these say, or else the environment, or else a file of settings; `None` where none says
    /// anything.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::usage::Usage): one of the three says two places.
    pub(crate) fn source(
        self,
        variables: Variables<'_>,
        file: Self,
    ) -> anyhow::Result<Option<KeySource>> {
        let in_variables = [KEY, "CAUSEWAY_KEY_FILE", "CAUSEWAY_KEY_COMMAND"].map(variables);
        if let Some(source) = self.one()? {
            return Ok(Some(source));
        }
        match in_variables {
            [None, None, None] => file.one(),
            [Some(_), None, None] => Ok(Some(KeySource::Variable(KEY.to_owned()))),
            [None, path, command] => {
                let command = command.map(OsString::into_string).transpose();
                let command =
                    command.map_err(|_| usage("CAUSEWAY_KEY_COMMAND is no text".to_owned()))?;
                Self { key_file: path.map(PathBuf::from), key_command: command }.one()
            }
            [Some(_), ..] => Err(usage(format!(
                "{KEY} is set, and a variable that says where else the key is: set one of them"
            ))),
        }
    }

    fn one(self) -> anyhow::Result<Option<KeySource>> {
        match (self.key_file, self.key_command) {
            (None, None) => Ok(None),
            (Some(path), None) => Ok(Some(KeySource::File(absolute(&path)?))),
            (None, Some(command)) if command.trim().is_empty() => {
                Err(usage("--key-command wants a command".to_owned()))
            }
            (None, Some(command)) => Ok(Some(KeySource::Command(command))),
            (Some(_), Some(_)) => Err(usage(
                "the key is in a file or printed by a command, not both: leave out key-file or \
                 key-command"
                    .to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(
        flags: KeyArgs,
        set: &[(&str, &str)],
        file: KeyArgs,
    ) -> anyhow::Result<Option<KeySource>> {
        let variables = |name: &str| {
            set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value))
        };
        flags.source(&variables, file)
    }

    fn path(path: &str) -> KeyArgs {
        KeyArgs { key_file: Some(path.into()), key_command: None }
    }

    fn command(command: &str) -> KeyArgs {
        KeyArgs { key_file: None, key_command: Some(command.to_owned()) }
    }

    #[test]
    fn flags_come_before_the_environment_and_that_before_the_file() {
        let none = KeyArgs::default;
        assert_eq!(source(none(), &[], none()).unwrap(), None);
        let from_file = source(none(), &[], path("/f")).unwrap();
        assert_eq!(from_file, Some(KeySource::File("/f".into())));
        let variable = source(none(), &[(KEY, "00")], path("/f")).unwrap();
        assert_eq!(variable, Some(KeySource::Variable(KEY.to_owned())), "its name, not the key");
        let set = [("CAUSEWAY_KEY_COMMAND", "cat /k")];
        let printed = Some(KeySource::Command("cat /k".to_owned()));
        assert_eq!(source(none(), &set, path("/f")).unwrap(), printed);
        assert_eq!(source(command("cat /k"), &[(KEY, "00")], path("/f")).unwrap(), printed);
    }

    #[test]
    fn two_places_and_no_command_are_refused() {
        let none = KeyArgs::default;
        let two = [(KEY, "00"), ("CAUSEWAY_KEY_FILE", "/k")];
        source(none(), &two, none()).unwrap_err();
        let two = [("CAUSEWAY_KEY_COMMAND", "cat /k"), ("CAUSEWAY_KEY_FILE", "/k")];
        source(none(), &two, none()).unwrap_err();
        let both = KeyArgs { key_command: Some("cat /k".to_owned()), ..path("/k") };
        source(none(), &[], both).unwrap_err();
        source(command(" "), &[], none()).unwrap_err();
    }
}
