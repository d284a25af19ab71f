//! The Procfile: which processes an app's code can run.

use std::collections::BTreeMap;

/// A Procfile that cannot be meant so. Lines are numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedProcfile {
    /// A line that says nothing.
    #[error(
        "line {line} of the Procfile is not a process type such as `web: ./serve --port $PORT`"
    )]
    NoProcess {
        /// The number of the line, from 1.
        line: usize,
    },
    /// Two lines about one process type, of which only one could be run.
    #[error("line {line} of the Procfile defines `{name}` again: remove one of the two")]
    Twice {
        /// The number of the second line, from 1.
        line: usize,
        /// The process type.
        name: String,
    },
}

/// Reads a Procfile: `type: command` lines. Empty lines and those that begin with `#` say nothing.
///
/// Whether a name can name a process type is for the rules to say.
///
/// # Errors
///
/// The first line that cannot be read.
pub fn parse_procfile(text: &str) -> Result<BTreeMap<String, String>, MalformedProcfile> {
    let mut types = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = number + 1;
        let malformed = MalformedProcfile::NoProcess { line: number };
        let (name, command) = line.split_once(':').ok_or_else(|| malformed.clone())?;
        let (name, command) = (name.trim_end(), command.trim_start());
        if name.is_empty() || name.contains(char::is_whitespace) || command.is_empty() {
            return Err(malformed);
        }
        if types.insert(name.to_owned(), command.to_owned()).is_some() {
            return Err(MalformedProcfile::Twice { line: number, name: name.to_owned() });
        }
    }
    Ok(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_commands_are_read() {
        let text = "\u{feff}# what runs\nweb: ./serve --url http://x:1/\r\n\n  worker :  work  \n";
        let types = parse_procfile(text).unwrap();
        assert_eq!(types["web"], "./serve --url http://x:1/");
        assert_eq!(types["worker"], "work");
        assert_eq!(types.len(), 2);
        assert!(parse_procfile("").unwrap().is_empty());
    }

    #[test]
    fn a_line_that_says_nothing_is_named() {
        for (text, line) in [("web", 1), ("web: x\n: y", 2), ("web:", 1), ("a b: c", 1)] {
            assert_eq!(parse_procfile(text), Err(MalformedProcfile::NoProcess { line }), "{text}");
        }
    }

    #[test]
    fn a_process_type_is_said_once() {
        let error = parse_procfile("web: a\nworker: b\n\nweb: c\n").unwrap_err();
        assert_eq!(error, MalformedProcfile::Twice { line: 4, name: "web".to_owned() });
        assert!(error.to_string().contains("`web`"), "{error}");
        assert!(parse_procfile("web: a\nWeb: b").is_ok(), "what differs is for the rules");
    }

    #[test]
    fn fuzz_procfile() {
        fuzz::target("procfile", |input| {
            let Ok(text) = str::from_utf8(input) else { return };
            let lines = text.lines().count();
            match parse_procfile(text) {
                Ok(types) => {
                    assert!(types.len() <= lines);
                    let printed: String = types
                        .iter()
                        .map(|(name, command)| format!("{name}: {command}\n"))
                        .collect();
                    assert_eq!(parse_procfile(&printed), Ok(types));
                }
                Err(
                    MalformedProcfile::NoProcess { line } | MalformedProcfile::Twice { line, .. },
                ) => assert!((1..=lines).contains(&line)),
            }
        });
    }
}
