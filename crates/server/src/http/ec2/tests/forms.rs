//! The forms of `forms.txt`: at least one for every action.

use std::sync::LazyLock;

use super::kit::Kit;

/// All forms, in the order of the file.
pub(super) static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let lines = include_str!("forms.txt").lines();
    lines.filter(|line| !line.starts_with('#')).map(Form::parse).collect()
});

/// A form of an action.
pub(super) struct Form {
    /// The action.
    pub action: &'static str,
    /// The code that it is always refused with.
    pub refused: Option<&'static str>,
    /// Whether what is not the caller's is left out instead of being refused.
    pub empty: bool,
    /// The whole form, with the names of ids in their brackets.
    text: &'static str,
}

impl Form {
    fn parse(line: &'static str) -> Self {
        let (text, refused) = match line.split_once(" ! ") {
            Some((text, code)) => (text, Some(code)),
            None => (line, None),
        };
        let (text, empty) = match text.split_once(" ? empty") {
            Some((text, _)) => (text, true),
            None => (text, false),
        };
        let (action, _) = text.split_once('&').unwrap_or((text, ""));
        Self { action, refused, empty, text }
    }

    /// The names of the ids that can be varied, each with the code for what is no id, if it is not its kind's.
    pub(super) fn varied(
        &self,
    ) -> impl Iterator<Item = (&'static str, Option<&'static str>)> + use<> {
        let pieces = self.text.split('{').skip(1);
        pieces.map(|piece| {
            let place = piece.split('}').next().expect("a brace is closed");
            match place.split_once(':') {
                Some((name, code)) => (name, Some(code)),
                None => (place, None),
            }
        })
    }

    /// The form with a kit's ids, but for the one of a name.
    pub(super) fn filled(&self, kit: &Kit, but: Option<(&str, &str)>) -> String {
        let mut form = format!("Action={}", self.text);
        for (name, code) in self.varied() {
            let code = code.unwrap_or_default();
            form = form.replace(&format!("{{{name}:{code}}}"), &format!("{{{name}}}"));
        }
        if let Some((name, id)) = but {
            form = form.replace(&format!("{{{name}}}"), id);
        }
        for (name, id) in kit {
            form = form.replace(&format!("{{{name}}}"), id).replace(&format!("[{name}]"), id);
        }
        assert!(!form.contains(['{', '[']), "the kit has no such thing: {form}");
        form
    }
}
