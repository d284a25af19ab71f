//! What runs the command of a dyno, and what comes before it, as Heroku's dynos have it.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Runs a script, its first argument, under bash; under sh where a file system has no bash. The
/// script finds the shell that runs it as `$0`. Nothing but positional parameters is set, as names
/// may be the app's own environment variables.
const PICK: &str = r#"set -- "$1" "$(command -v bash)"
[ -x "$2" ] || set -- "$1" /bin/bash
[ -x "$2" ] || set -- "$1" /bin/sh
exec "$2" -c "$1" "$2""#;

/// Lets what an app brings along prepare the environment, in the shell that then becomes the
/// command. What comes last in the name is sourced last.
const PREPARE: &str = r#"for causeway_profile in "$HOME"/.profile.d/*.sh; do
if [ -f "$causeway_profile" ]; then . "$causeway_profile"; fi
done
unset causeway_profile
if [ -f "$HOME/.profile" ]; then . "$HOME/.profile"; fi
"#;

/// The words that run a command line of a dyno: under bash, after the scripts of `.profile.d` in
/// the order of their names and `.profile` were sourced.
///
/// Every step replaces the one before it, so that the shell of the command line is the process that
/// gets the signals, and a command line of one program becomes that program.
pub fn dyno_command(line: &str) -> Vec<String> {
    let script = format!("{PREPARE}exec \"$0\" -c {} \"${{0##*/}}\"", quoted(line));
    ["/bin/sh", "-c", PICK, "sh", &script].map(str::to_owned).to_vec()
}

/// The command line of a one-off dyno: where its first word is one of the app's process types, that
/// one's command with the rest behind it, for the shell to split as it was typed.
pub(super) fn one_off<'a>(line: &'a str, types: &BTreeMap<String, String>) -> Cow<'a, str> {
    let line = line.trim_start();
    let end = line.find(|c: char| c.is_ascii_whitespace()).unwrap_or(line.len());
    let (first, rest) = line.split_at(end);
    match types.get(first) {
        Some(command) => Cow::Owned(format!("{}{rest}", command.trim_end())),
        None => Cow::Borrowed(line),
    }
}

/// Text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_of_a_one_off_may_be_a_process_type() {
        let types = [("web", "serve -p $PORT"), ("rake", "bundle exec rake ")]
            .map(|(name, command)| (name.to_owned(), command.to_owned()))
            .into();
        for (line, expected) in [
            ("web", "serve -p $PORT"),
            ("  web  --quiet", "serve -p $PORT  --quiet"),
            ("rake \"a b\" '$HOME' \\\"", "bundle exec rake \"a b\" '$HOME' \\\""),
            ("rake\tdb:migrate", "bundle exec rake\tdb:migrate"),
            ("webs", "webs"),
            ("web; ls", "web; ls"),
            ("ls web", "ls web"),
            ("Web", "Web"),
            ("'web' x", "'web' x"),
        ] {
            assert_eq!(one_off(line, &types), expected, "{line}");
        }
    }

    #[test]
    fn a_command_line_is_one_word_whatever_is_in_it() {
        assert_eq!(quoted(r#"echo 'a' "b" $c \"#), r#"'echo '\''a'\'' "b" $c \'"#);
        let words = dyno_command("echo 'it'");
        assert_eq!(words[..2], ["/bin/sh", "-c"]);
        assert!(words[4].ends_with(r#"exec "$0" -c 'echo '\''it'\''' "${0##*/}""#), "{}", words[4]);
    }
}
