//! The languages of the pages.

use model::Wording;

use crate::english::ENGLISH;
use crate::japanese::{self, JAPANESE};
use crate::texts::Texts;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English, for everybody who asks for neither.
    #[default]
    English,
    /// Japanese.
    Japanese,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::Japanese];

    /// Its code, as in `lang`.
    pub const fn code(self) -> &'static str {
        self.texts().lang
    }

    /// Finds a language by its code.
    pub fn find(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }

    /// The language that a browser prefers, by its `Accept-Language`: the first of those with the
    /// highest weight that there is.
    pub fn preferred(accept: &str) -> Self {
        let mut best: Option<(f32, Self)> = None;
        for range in accept.split(',').take(32) {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let Some(language) = Self::find(tag.split('-').next().unwrap_or_default()) else {
                continue;
            };
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let weight = weight.map_or(Ok(1.0), str::parse).unwrap_or(0.0);
            if weight > best.map_or(0.0, |(weight, _)| weight) {
                best = Some((weight, language));
            }
        }
        best.map_or(Self::default(), |(_, language)| language)
    }

    /// A sentence of the rules about packets in it.
    pub(crate) const fn wording(self, wording: Wording) -> &'static str {
        match self {
            Self::English => wording.english(),
            Self::Japanese => japanese::wording(wording),
        }
    }

    /// The texts in it.
    pub(crate) const fn texts(self) -> &'static Texts {
        match self {
            Self::English => &ENGLISH,
            Self::Japanese => &JAPANESE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .map(|rest| rest.split_once('}').expect("a closed place").0)
            .collect()
    }

    fn is_japanese(text: &str) -> bool {
        text.chars().any(|c| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}'))
    }

    #[test]
    fn every_text_is_there_in_both_languages_with_the_same_places() {
        let (english, japanese) = (ENGLISH.all(), JAPANESE.all());
        assert_eq!(english.len(), japanese.len());
        for ((name, one), (other_name, other)) in english.into_iter().zip(japanese) {
            assert_eq!(name, other_name);
            for text in [one, other] {
                assert!(!text.trim().is_empty(), "{name} is empty");
                assert_eq!(text, text.trim(), "{name} has spaces around it");
                assert!(!text.contains("TODO"), "{name}");
            }
            assert_eq!(places(one), places(other), "{name}");
        }
        assert_eq!(ENGLISH.months.split('|').count(), 12);
        assert_eq!(JAPANESE.months.split('|').count(), 12);
    }

    #[test]
    fn the_english_has_no_japanese_and_the_japanese_has_its_own() {
        for (name, text) in ENGLISH.all() {
            assert!(!is_japanese(text) || name == "other_name", "{name}: {text}");
        }
        // What both say the same: names of the six lines, of words of the APIs, and signs.
        let same = [
            "lang",
            "n_of_m",
            "none",
            "vpc",
            "vpcs",
            "space",
            "spaces",
            "other_lang",
            "column_pcx",
            "column_vpc_id",
            "other_name",
            "moments",
            "date_time",
            "a_vpc",
            "dynos",
            "legend_moving",
            "sentence",
            "at_place",
            "picture",
            "total",
            "so_many",
            "a_space",
            "kind_space",
            "kind_vpc",
        ];
        for (name, text) in JAPANESE.all() {
            assert!(is_japanese(text) || same.contains(&name), "{name}: {text}");
        }
    }

    #[test]
    fn what_the_rules_say_has_the_same_places_in_both_languages() {
        // These have nothing but places and signs.
        let plain = [Wording::Code, Wording::AndAlso];
        for wording in Wording::ALL {
            let [english, japanese] = Language::ALL.map(|language| language.wording(*wording));
            assert_eq!(places(english), places(japanese), "{wording:?}");
            assert!(!is_japanese(english), "{wording:?}");
            assert!(is_japanese(japanese) || plain.contains(wording), "{wording:?}");
        }
    }

    #[test]
    fn a_browser_gets_the_language_that_it_prefers() {
        for (accept, language) in [
            ("", Language::English),
            ("ja", Language::Japanese),
            ("ja-JP,ja;q=0.9,en;q=0.8", Language::Japanese),
            ("en-GB,en;q=0.9,ja;q=0.8", Language::English),
            ("de,ja;q=0.2,en;q=0.7", Language::English),
            ("fr, de", Language::English),
            ("ja;q=0", Language::English),
            ("ja;q=x", Language::English),
            ("*", Language::English),
            (",,;q=1,\u{1f600}", Language::English),
        ] {
            assert_eq!(Language::preferred(accept), language, "{accept}");
        }
    }
}
