//! How shells set and unset variables.

use super::super::print::quote;
use crate::arguments::env::Shell;

impl Shell {
    /// A line that sets a variable.
    pub(super) fn set(self, name: &str, value: &str) -> String {
        match self {
            Self::Sh => format!("export {name}={}", quote(value)),
            Self::Fish => {
                let value = value.replace('\\', r"\\").replace('\'', r"\'");
                format!("set -gx {name} '{value}';")
            }
            Self::Pwsh => format!("$Env:{name} = '{}'", value.replace('\'', "''")),
        }
    }

    /// A line that fails, with nothing said: that is said already.
    pub(super) fn fail(self) -> &'static str {
        match self {
            Self::Sh | Self::Fish => "false",
            Self::Pwsh => "throw 'causeway env has failed'",
        }
    }

    /// A line that unsets a variable, whether it is set or not.
    pub(super) fn unset(self, name: &str) -> String {
        match self {
            Self::Sh => format!("unset {name}"),
            Self::Fish => format!("set -e {name};"),
            Self::Pwsh => {
                format!("Remove-Item -ErrorAction SilentlyContinue Env:{name}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_has_its_own_quotes() {
        let odd = r"it's \ $HOME";
        assert_eq!(Shell::Sh.set("A", odd), r"export A='it'\''s \ $HOME'");
        assert_eq!(Shell::Fish.set("A", odd), r"set -gx A 'it\'s \\ $HOME';");
        assert_eq!(Shell::Pwsh.set("A", odd), r"$Env:A = 'it''s \ $HOME'");
        let all = [Shell::Sh, Shell::Fish, Shell::Pwsh];
        assert!(all.iter().all(|shell| shell.unset("A").contains('A')));
    }

    /// What a real shell makes of it.
    #[test]
    fn a_shell_reads_what_was_written() {
        let odd = "it's \\ $HOME\n\"`x`";
        let script = format!(
            "{}; printf %s \"$A\"; {}; printf %s \"${{A-gone}}\"",
            Shell::Sh.set("A", odd),
            Shell::Sh.unset("A")
        );
        let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap(), format!("{odd}gone"));
    }
}
